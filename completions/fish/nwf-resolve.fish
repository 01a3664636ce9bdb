complete -c nwf-resolve -s o -l output -d 'Write the result to FILE, whole or not at all' -r -F
complete -c nwf-resolve -l error-format -d 'How errors are printed' -r -f -a "human\t'For people: with the text underlined'
json\t'For programs: one object a line'"
complete -c nwf-resolve -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c nwf-resolve -l filters -d 'Look filters up in PATH too: a folder of NAME.xml files, or a file' -r -F
complete -c nwf-resolve -s i -l interface -d 'Resolve this interface only' -r
complete -c nwf-resolve -l mac -d 'The guest\'s MAC address' -r
complete -c nwf-resolve -l filter -d 'The top-level filter' -r
complete -c nwf-resolve -l param -d 'Give a variable a value; repeated, a list' -r
complete -c nwf-resolve -l params -d 'Read variables from a JSON object {"NAME": ["value", ...]}' -r -F
complete -c nwf-resolve -l leases -d 'Read known addresses from a document `leases/1`' -r -F
complete -c nwf-resolve -l interim -d 'Make an interim ruleset; no filter is needed' -r -f -a "basic\t'Source MAC checked; IPv4 and ARP may leave; everything may come in'
dhcp-only\t'DHCP, and nothing else'
drop-all\t'Nothing'"
complete -c nwf-resolve -l family -d 'The families that an interim ruleset lets through; by default those whose addresses the filter misses, else IPv4' -r -f -a "ipv4\t'IPv4'
ipv6\t'IPv6'
both\t'Both'"
complete -c nwf-resolve -l max-rules -d 'Rules of one interface at most, every combination of lists counted' -r
complete -c nwf-resolve -l max-depth -d 'References from filter to filter at most' -r
complete -c nwf-resolve -l compat -d 'Behave like libvirt where it differs' -r -f -a "libvirt\t'What libvirt does, odd or not'"
complete -c nwf-resolve -s q -l quiet -d 'Print no warnings'
complete -c nwf-resolve -s v -l verbose -d 'Tell more on standard error'
complete -c nwf-resolve -l partial -d 'Name missing variables in the document instead of failing'
complete -c nwf-resolve -s h -l help -d 'Print help (see more with \'--help\')'
complete -c nwf-resolve -s V -l version -d 'Print version'
