complete -c nwf-explain -s o -l output -d 'Write the result to FILE, whole or not at all' -r -F
complete -c nwf-explain -l error-format -d 'How errors are printed' -r -f -a "human\t'For people: with the text underlined'
json\t'For programs: one object a line'"
complete -c nwf-explain -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c nwf-explain -s p -l packet -d 'Judge a packet; several are a sequence, in which connections are remembered' -r
complete -c nwf-explain -l pcap -d 'Judge the frames of a packet capture, in order' -r -F
complete -c nwf-explain -l matrix -d 'Judge each line of a file by itself, and print a table' -r -F
complete -c nwf-explain -l direction -d 'Which way packets go that do not say so themselves, as the guest sees it [default: out]' -r -f -a "in\t'To the guest'
out\t'From the guest'"
complete -c nwf-explain -l scope -d 'Which packets to the guest the rules of tcp, udp, icmp and so on see' -r -f -a "all\t'All that leave through the port, also from the host and routed'
bridged\t'Only those that come from another port of the bridge'"
complete -c nwf-explain -l ipset -d 'Tell an element of an IP set; repeated for more, `NAME=` for an empty set' -r
complete -c nwf-explain -l format -d 'How the result is printed' -r -f -a "text\t'For people'
json\t'For scripts'"
complete -c nwf-explain -s i -l interface -d 'The interface, where the input has several' -r
complete -c nwf-explain -l compat -d 'Behave like libvirt where it differs' -r -f -a "libvirt\t'What libvirt does, odd or not'"
complete -c nwf-explain -s q -l quiet -d 'Print no warnings'
complete -c nwf-explain -s v -l verbose -d 'Tell more on standard error'
complete -c nwf-explain -l from-host -d 'Packets to the guest come from the host or another network, not from a port of the bridge'
complete -c nwf-explain -l tree -d 'Show filters or chains as an indented tree (the default)'
complete -c nwf-explain -l dot -d 'Show them as text for Graphviz'
complete -c nwf-explain -l svg -d 'Show them as a picture'
complete -c nwf-explain -l lint -d 'Look for rules that are probably not meant; status 5 if there are any'
complete -c nwf-explain -s h -l help -d 'Print help (see more with \'--help\')'
complete -c nwf-explain -s V -l version -d 'Print version'
