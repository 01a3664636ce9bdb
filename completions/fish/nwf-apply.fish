complete -c nwf-apply -s o -l output -d 'Write the result to FILE, whole or not at all' -r -F
complete -c nwf-apply -l error-format -d 'How errors are printed' -r -f -a "human\t'For people: with the text underlined'
json\t'For programs: one object a line'"
complete -c nwf-apply -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c nwf-apply -l remove -d 'Take the rules of these interfaces away' -r
complete -c nwf-apply -s q -l quiet -d 'Print no warnings'
complete -c nwf-apply -s v -l verbose -d 'Tell more on standard error'
complete -c nwf-apply -l check -d 'Change nothing, and exit with 5 if something would change'
complete -c nwf-apply -l diff -d 'Show what changes: on standard error for people, and in the report'
complete -c nwf-apply -l remove-all -d 'Take all rules of all interfaces away, and our tables; needs --force where nobody can be asked'
complete -c nwf-apply -l force -d 'Do not ask before everything is removed'
complete -c nwf-apply -l probe -d 'Find out what this host can do, and write a document `features/1`'
complete -c nwf-apply -s h -l help -d 'Print help (see more with \'--help\')'
complete -c nwf-apply -s V -l version -d 'Print version'
