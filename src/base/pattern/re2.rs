//! Rewrites RE2 syntax, as accepted by Go's `regexp`, into the syntax of regex-lite.
//!
//! The two agree in most cases. Where they differ, an expression would be rejected or, worse, have
//! another meaning: `\Q…\E`, octal escapes, braces without a repetition, classes, `\s`, `\<`.

/// Maximum count in `{…}`, as in RE2.
const REPEATS: u32 = 1000;
/// `\s` of RE2 as the inside of a class. It does not contain the vertical tab.
const BLANK: &str = "\t\n\x0C\r ";
/// `\S` of RE2 as the inside of a class.
const NOT_BLANK: &str = "\\x00-\\x08\\x0B\\x0E-\\x1F!-\\x{10FFFF}";
/// Names of POSIX classes, each of which can be negated with `^`.
const POSIX: &str = " alnum alpha ascii blank cntrl digit graph lower print punct space upper \
                     word xdigit ";

/// The expression `rest` in the syntax of regex-lite; the error says why RE2 would reject it.
pub(super) fn rewrite(mut rest: &str) -> Result<String, String> {
    let mut out = String::with_capacity(rest.len() + 8);
    while let Some((c, tail)) = next(rest) {
        rest = match c {
            '\\' => escape(tail, &mut out)?,
            '[' => class(tail, &mut out)?,
            '(' => group(tail, &mut out)?,
            '{' => repeat(tail, &mut out)?,
            _ => {
                out.push(c);
                tail
            }
        };
    }
    Ok(out)
}

/// The first character and the rest.
fn next(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    Some((chars.next()?, chars.as_str()))
}

/// Rewrites the escape whose `\` precedes `rest`; returns the text after it.
fn escape<'t>(rest: &'t str, out: &mut String) -> Result<&'t str, String> {
    let Some((c, tail)) = next(rest) else {
        return Err("trailing backslash at end of expression".to_owned());
    };
    match c {
        'Q' => {
            let (text, tail) = tail.split_once("\\E").unwrap_or((tail, ""));
            text.chars().for_each(|c| literal(c, out));
            return Ok(tail);
        }
        'A' | 'B' | 'D' | 'W' | 'b' | 'd' | 'w' | 'z' => out.extend(['\\', c]),
        's' => out.extend(["[", BLANK, "]"]),
        'S' => out.extend(["[^", BLANK, "]"]),
        _ => {
            let (c, tail) = character(rest)?;
            literal(c, out);
            return Ok(tail);
        }
    }
    Ok(tail)
}

/// The character denoted by the escape whose `\` precedes `rest`, and the text after it.
fn character(rest: &str) -> Result<(char, &str), String> {
    let Some((c, tail)) = next(rest) else {
        return Err("trailing backslash at end of expression".to_owned());
    };
    let octal = |digits: &str| {
        digits
            .bytes()
            .take_while(|b| (b'0'..=b'7').contains(b))
            .count()
    };
    let coded = |digits: &str, radix| {
        u32::from_str_radix(digits, radix)
            .ok()
            .and_then(char::from_u32)
    };
    let known = match c {
        'a' => Some('\x07'),
        'f' => Some('\x0C'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\x0B'),
        // A single digit other than 0 would be a backreference, which RE2 does not support.
        '0'..='7' if c == '0' || octal(rest) > 1 => {
            let (digits, tail) = rest.split_at(octal(rest).min(3));
            return coded(digits, 8)
                .map(|c| (c, tail))
                .ok_or_else(|| unknown(c));
        }
        'x' => {
            let split = match tail.strip_prefix('{') {
                Some(braced) => braced.split_once('}'),
                None => tail.split_at_checked(2),
            };
            return split
                .filter(|(digits, _)| digits.bytes().all(|b| b.is_ascii_hexdigit()))
                .and_then(|(digits, tail)| Some((coded(digits, 16)?, tail)))
                .ok_or_else(|| unknown(c));
        }
        'p' | 'P' => {
            return Err(format!(
                "Unicode classes such as \\{c}{{L}} are not supported, list the characters instead"
            ));
        }
        _ if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(c),
        _ => None,
    };
    known.map(|c| (c, tail)).ok_or_else(|| unknown(c))
}

fn unknown(c: char) -> String {
    format!("invalid escape sequence: `\\{c}`")
}

/// Writes `c` as a literal, valid inside and outside classes.
fn literal(c: char, out: &mut String) {
    if "\\.+*?()|[]{}^$&-~".contains(c) {
        out.push('\\');
    }
    out.push(c);
}

/// Rewrites the class whose `[` precedes `rest`; returns the text after it.
fn class<'t>(mut rest: &'t str, out: &mut String) -> Result<&'t str, String> {
    out.push('[');
    if let Some(tail) = rest.strip_prefix('^') {
        out.push('^');
        rest = tail;
    }
    let mut first = true;
    loop {
        let Some((c, tail)) = next(rest) else {
            return Err("missing closing ]".to_owned());
        };
        if c == ']' && !first {
            out.push(']');
            return Ok(tail);
        }
        first = false;
        if let Some((name, tail)) = rest
            .strip_prefix("[:")
            .and_then(|name| name.split_once(":]"))
        {
            let plain = name.strip_prefix('^').unwrap_or(name);
            if plain.contains(' ') || !POSIX.contains(&format!(" {plain} ")) {
                return Err(format!("invalid character class range: `[:{name}:]`"));
            }
            out.extend(["[:", name, ":]"]);
            rest = tail;
            continue;
        }
        if c == '\\'
            && let Some((kind @ ('D' | 'S' | 'W' | 'd' | 's' | 'w'), tail)) = next(tail)
        {
            match kind {
                's' => out.push_str(BLANK),
                'S' => out.push_str(NOT_BLANK),
                _ => out.extend(['\\', kind]),
            }
            rest = tail;
            continue;
        }
        let (low, tail) = member(rest)?;
        rest = tail;
        literal(low, out);
        if let Some(tail) = rest.strip_prefix('-').filter(|tail| !tail.starts_with(']')) {
            let (high, tail) = member(tail)?;
            if high < low {
                return Err(format!("invalid character class range: `{low}-{high}`"));
            }
            out.push('-');
            literal(high, out);
            rest = tail;
        }
    }
}

/// The next plain or escaped character of a class, and the text after it.
fn member(rest: &str) -> Result<(char, &str), String> {
    match next(rest) {
        Some(('\\', tail)) => character(tail),
        Some(plain) => Ok(plain),
        None => Err("missing closing ]".to_owned()),
    }
}

/// Rewrites the start of the group whose `(` precedes `rest`; returns the text after it. Names are
/// dropped because they are not used; the groups still count.
fn group<'t>(rest: &'t str, out: &mut String) -> Result<&'t str, String> {
    let Some(mark) = rest.strip_prefix('?') else {
        out.push('(');
        return Ok(rest);
    };
    if ["=", "!", "<=", "<!"]
        .iter()
        .any(|look| mark.starts_with(look))
    {
        return Err("look-around is not supported".to_owned());
    }
    if let Some(name) = mark.strip_prefix("P<").or_else(|| mark.strip_prefix('<')) {
        let word = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        return match name.split_once('>') {
            Some((name, tail)) if !name.is_empty() && word(name) => {
                out.push('(');
                Ok(tail)
            }
            _ => Err("invalid named capture".to_owned()),
        };
    }
    let flags = mark.find([':', ')']).unwrap_or(mark.len());
    if !mark.bytes().take(flags).all(|b| b"imsU-".contains(&b)) {
        return Err(format!("invalid or unsupported Perl syntax: `(?{mark}`"));
    }
    out.push_str("(?");
    Ok(mark)
}

/// Rewrites the text after a `{`: a repetition, or literal text.
fn repeat<'t>(rest: &'t str, out: &mut String) -> Result<&'t str, String> {
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        plain && (text == "0" || !text.starts_with('0'))
    };
    let inside = rest.split_once('}').map_or("", |(inside, _)| inside);
    let (low, high) = inside.split_once(',').unwrap_or((inside, inside));
    if !number(low) || !(high.is_empty() || number(high)) {
        out.push_str("\\{");
        return Ok(rest);
    }
    let small = |text: &str| text.is_empty() || text.parse().is_ok_and(|n: u32| n <= REPEATS);
    if !small(low) || !small(high) {
        return Err(format!("invalid repeat count: `{{{inside}}}`"));
    }
    out.push('{');
    Ok(rest)
}
