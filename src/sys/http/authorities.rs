//! Mozilla's certification authorities, as the crate webpki-roots has them, but without its table
//! of addresses, which each process would have to relocate, and packed: 21,000 bytes of amd64 in all.
//!
//! The file `authorities.bin` is made of the crate by the test below (`make bless`). It begins with
//! two lengths of two bytes, the highest first: that of the heads as packed by DEFLATE, and that of
//! the heads. Then come the packed heads, and the rest of each key. The head of an authority is: the
//! length of its name in one byte, of its constraints in one, 0 for none, of the rest of its key in
//! two; the name, the constraints, and the first and the last bytes of the key, which are equal in
//! most keys.

use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use rustls::pki_types::{Der, TrustAnchor};

const PACKED: &[u8] = include_bytes!("authorities.bin");
/// Bytes of a key in its head: those before an RSA key's number, and those of its exponent.
const FIRST: usize = 33;
const LAST: usize = 5;

/// The authorities whose names are wanted, in the order of the crate.
pub(super) fn built_in(is_wanted: &dyn Fn(&[u8]) -> bool) -> Vec<TrustAnchor<'static>> {
    let mut packed = PACKED;
    let [high, low, all_high, all_low] = take(&mut packed, 4).try_into().unwrap_or_default();
    let mut heads = vec![0; u16::from_be_bytes([all_high, all_low]).into()];
    let mut keys = packed;
    let packed = take(&mut keys, u16::from_be_bytes([high, low]).into());
    let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    decompress(&mut DecompressorOxide::new(), packed, &mut heads, 0, flags);
    let mut found = Vec::new();
    let mut rest = &heads[..];
    while let Ok([name, limits, high, low]) = <[u8; 4]>::try_from(take(&mut rest, 4)) {
        let name = take(&mut rest, name.into());
        let limits = take(&mut rest, limits.into());
        let (first, last) = (take(&mut rest, FIRST), take(&mut rest, LAST));
        let middle = take(&mut keys, u16::from_be_bytes([high, low]).into());
        if is_wanted(name) {
            found.push(TrustAnchor {
                subject: Der::from(name.to_vec()),
                subject_public_key_info: Der::from([first, middle, last].concat()),
                name_constraints: (!limits.is_empty()).then(|| Der::from(limits.to_vec())),
            });
        }
    }
    found
}

/// Takes `length` bytes off `rest`; none if it has less.
fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (part, others) = rest.split_at_checked(length).unwrap_or_default();
    *rest = others;
    part
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use miniz_oxide::deflate::compress_to_vec;
    use webpki_roots::TLS_SERVER_ROOTS;

    use super::*;

    #[test]
    fn authorities_are_made_of_the_table_of_webpki_roots() {
        let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
        let (mut heads, mut keys) = (Vec::new(), Vec::new());
        for root in TLS_SERVER_ROOTS {
            let (first, rest) = root.subject_public_key_info.split_at(FIRST);
            let (middle, last) = rest.split_at(rest.len() - LAST);
            let limits = root.name_constraints.as_deref().unwrap_or_default();
            heads.push(u8::try_from(root.subject.len()).unwrap());
            heads.push(u8::try_from(limits.len()).unwrap());
            heads.extend(length(middle));
            for part in [&root.subject, limits, first, last] {
                heads.extend(part);
            }
            keys.extend(middle);
        }
        if env::var_os("BLESS").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sys/http/authorities.bin");
            let packed = compress_to_vec(&heads, 10);
            let parts = [&length(&packed)[..], &length(&heads), &packed, &keys];
            fs::write(path, parts.concat()).unwrap();
            return;
        }
        assert!(
            built_in(&|_| true) == TLS_SERVER_ROOTS,
            "authorities.bin differs from webpki-roots; run make bless"
        );
        assert!(PACKED.ends_with(&keys));
    }

    #[test]
    fn authorities_are_found_by_their_names() {
        for root in TLS_SERVER_ROOTS {
            let found = built_in(&|name| name == &*root.subject);
            assert!(found.contains(root));
            assert!(found.iter().all(|one| one.subject == root.subject));
        }
        assert_eq!(built_in(&|_| false), []);
    }
}
