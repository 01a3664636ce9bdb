complete -c nwf-parse -l to -d 'What to write' -r -f -a "json\t'The document `filters/1`'
xml\t'Canonical XML; needs exactly one filter or binding'"
complete -c nwf-parse -l compat -d 'Read as libvirt does' -r -f -a "libvirt\t'What libvirt does, odd or not'"
complete -c nwf-parse -l explain -d 'Explain an error code, of whatever program, and do nothing else' -r
complete -c nwf-parse -s o -l output -d 'Write the result to FILE, whole or not at all' -r -F
complete -c nwf-parse -l error-format -d 'How errors are printed' -r -f -a "human\t'For people: with the text underlined'
json\t'For programs: one object a line'"
complete -c nwf-parse -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c nwf-parse -l strict -d 'Take every warning for an error'
complete -c nwf-parse -s q -l quiet -d 'Print no warnings'
complete -c nwf-parse -s v -l verbose -d 'Tell more on standard error'
complete -c nwf-parse -s h -l help -d 'Print help (see more with \'--help\')'
complete -c nwf-parse -s V -l version -d 'Print version'
