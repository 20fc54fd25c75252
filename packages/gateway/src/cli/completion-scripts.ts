/** What each shell reads once, so that it asks us how a command line of ours goes on. */

const bash = `# eval "$(countersign completion bash)"
_countersign() {
  mapfile -t COMPREPLY < <(countersign completion words bash "\${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
  # Behind a field comes its value, and behind one of several fields the next.
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *[:,=] ]] && compopt -o nospace
}
complete -o default -F _countersign countersign
`

const zsh = `# eval "$(countersign completion zsh)", after compinit
_countersign() {
  local -a found
  found=("\${(@f)$(countersign completion words zsh "$LBUFFER" 2>/dev/null)}")
  if [[ -z $found[1] ]]; then
    _files
  else
    # Behind a field comes its value, and behind one of several fields the next.
    compadd -S '' -- "\${(@M)found:#*[:,=]}"
    compadd -- "\${(@)found:#*[:,=]}"
  fi
}
compdef _countersign countersign
`

const fish = `# countersign completion fish | source
function __countersign
    set -l found (countersign completion words fish (commandline -cp) 2>/dev/null)
    if set -q found[1]
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c countersign -f -a '(__countersign)'
`

export const completionScripts: Readonly<Record<string, string>> = { bash, zsh, fish }
