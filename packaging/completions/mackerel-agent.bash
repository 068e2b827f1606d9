# shellcheck shell=bash
# Completion of mackerel-agent for bash, made of src/cli by `make docs`.
_mackerel_agent() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=''
    local switches='-diagnostic -v -verbose'
    local paths='-conf -host-etc -host-proc -host-root -host-sys -pidfile -root'
    local texts='-apibase -role'
    # -conf=FILE is three words here: -conf, = and FILE.
    if [[ $word == = ]]; then
        word=''
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if ((COMP_CWORD > 1)) && [[ ${COMP_WORDS[1]} != -* ]]; then
        command=${COMP_WORDS[1]}
    fi
    case $command in
    applets)
        switches='' paths='' texts=''
        paths='-install'
        ;;
    diagnose)
        paths+=' -bundle'
        ;;
    health)
        switches+=' -live'
        ;;
    help)
        switches='' paths='' texts=''
        ;;
    init)
        switches='' paths='' texts=''
        paths='-conf'
        texts='-apibase -apikey'
        ;;
    install)
        switches='' paths='' texts=''
        switches='-as-root -dry-run'
        paths='-apikey-file -prefix'
        ;;
    live)
        texts+=' -listen'
        ;;
    logs)
        switches+=' -f -follow'
        ;;
    plugin-install)
        switches='' paths='' texts=''
        switches='-list -overwrite -upgrade'
        paths='-lock -prefix'
        texts='-api-url -arch -github-url -registry-url -remove'
        ;;
    retire)
        switches+=' -force'
        texts+=' -organization'
        ;;
    status)
        switches+=' -json'
        ;;
    top)
        texts+=' -interval'
        ;;
    uninstall)
        switches='' paths='' texts=''
        switches='-dry-run -purge -restore'
        paths='-prefix'
        ;;
    upgrade)
        switches='' paths='' texts=''
        switches='-dry-run -force'
        paths='-key -prefix'
        texts='-after -from -spread'
        ;;
    version)
        switches='' paths='' texts=''
        ;;
    wrap)
        switches+=' -a -auto-close -d -detail -w -warning'
        texts+=' -n -name -N -note -I -notification-interval'
        ;;
    esac
    COMPREPLY=()
    # A flag has one dash or two.
    before=${before/#--/-}
    case " $paths " in
    *" $before "*)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    esac
    case " $texts " in
    *" $before "*) return ;;
    esac
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$switches $paths $texts -help" -- "$word")
    elif [[ -z $command || $command == help ]]; then
        mapfile -t COMPREPLY < <(compgen -W "applets check configtest diagnose health help init install live logs once plugin plugin-install retire status supervise top uninstall upgrade version wrap" -- "$word")
    fi
}
complete -F _mackerel_agent mackerel-agent
