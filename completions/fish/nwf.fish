complete -c nwf -l list -d 'List the commands that there are'
complete -c nwf -s h -l help -d 'Print help'
complete -c nwf -s V -l version -d 'Print version'
