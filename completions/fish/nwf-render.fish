complete -c nwf-render -s o -l output -d 'Write the result to FILE, whole or not at all' -r -F
complete -c nwf-render -l error-format -d 'How errors are printed' -r -f -a "human\t'For people: with the text underlined'
json\t'For programs: one object a line'"
complete -c nwf-render -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c nwf-render -l backend -d 'The way into the kernel' -r -f -a "nft\t'nftables'
xtables\t'ebtables, iptables and ip6tables'"
complete -c nwf-render -l format -d 'What is written' -r -f -a "plan\t'A document `plan/1`'
script\t'A file for `nft -f`; for xtables a script for any POSIX shell, which says what failed and undoes it'
commands\t'One command a line (xtables)'
restore\t'Input of the restore tools (xtables)'"
complete -c nwf-render -l action -d 'What a script does [default: install]' -r -f -a "install\t'Put the rules in force'
replace\t'The same: they take the place of those in force'
remove\t'Take the rules away'
build\t'Build the rules beside those in force (xtables)'
switch\t'Put what was built in force (xtables)'
undo\t'Take away what was built (xtables)'"
complete -c nwf-render -l old -d 'Take away in the script what this plan has and the new rules lack' -r -F
complete -c nwf-render -l features -d 'Render for one kind of host only: native, relay, none, or a document `features/1`' -r
complete -c nwf-render -l scope -d 'Which packets to the guest the rules of tcp, udp, icmp and so on see' -r -f -a "all\t'All that leave through the port, also from the host and routed'
bridged\t'Only those that come from another port of the bridge'"
complete -c nwf-render -l compat -d 'Behave like libvirt where it differs' -r -f -a "libvirt\t'What libvirt does, odd or not'"
complete -c nwf-render -s q -l quiet -d 'Print no warnings'
complete -c nwf-render -s v -l verbose -d 'Tell more on standard error'
complete -c nwf-render -l allow-degraded -d 'Also render stricter substitutes, behind the exact renderings'
complete -c nwf-render -s h -l help -d 'Print help (see more with \'--help\')'
complete -c nwf-render -s V -l version -d 'Print version'
