# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_veriroot_global_optspecs
    string join \n h/help V/version
end

function __fish_veriroot_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_veriroot_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_veriroot_using_subcommand
    set -l cmd (__fish_veriroot_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c veriroot -n "__fish_veriroot_needs_command" -s h -l help -d 'Print help'
complete -c veriroot -n "__fish_veriroot_needs_command" -s V -l version -d 'Print version'
complete -c veriroot -n "__fish_veriroot_needs_command" -f -a "attach" -d 'Makes devices of an image, as a boot does, and mounts nothing'
complete -c veriroot -n "__fish_veriroot_needs_command" -f -a "audit" -d 'Judges an image with the boot engine: policy, signature, every block'
complete -c veriroot -n "__fish_veriroot_needs_command" -f -a "boot" -d 'Boots the image that the kernel command line names (run in an initrd)'
complete -c veriroot -n "__fish_veriroot_needs_command" -f -a "detach" -d 'Removes the devices that attach made'
complete -c veriroot -n "__fish_veriroot_needs_command" -f -a "dissect" -d 'Shows what an image says about itself, and whether a policy admits it'
complete -c veriroot -n "__fish_veriroot_needs_command" -f -a "doctor" -d 'Says whether an initrd has what a boot needs, and what is missing'
complete -c veriroot -n "__fish_veriroot_needs_command" -f -a "fetch" -d 'Downloads an image, and keeps only what was signed'
complete -c veriroot -n "__fish_veriroot_needs_command" -f -a "keys" -d 'Shows the trust anchors of a boot, and what is wrong with them'
complete -c veriroot -n "__fish_veriroot_needs_command" -f -a "mount" -d 'Mounts an image read-only, as a boot does'
complete -c veriroot -n "__fish_veriroot_needs_command" -f -a "policy" -d 'Shows, lints and compares image policies'
complete -c veriroot -n "__fish_veriroot_needs_command" -f -a "umount" -d 'Takes away what mount made'
complete -c veriroot -n "__fish_veriroot_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c veriroot -n "__fish_veriroot_using_subcommand attach" -l image-policy -d 'Image policy to demand (systemd.image-policy(7))' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand attach" -l image-filter -d 'Candidate partitions, such as root=fixture_2*' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand attach" -l certificate -d 'Trusted certificate or directory; repeatable' -r -F
complete -c veriroot -n "__fish_veriroot_using_subcommand attach" -l policy-file -d 'Policy file to demand; repeatable, all hold' -r -F
complete -c veriroot -n "__fish_veriroot_using_subcommand attach" -l class -d 'Judge it as machine, portable, sysext or confext' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand attach" -l root-hash -d 'Root hash that root must have besides' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand attach" -l usr-hash -d 'Root hash that usr must have besides' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand attach" -l architecture -d 'Machine the image is for, such as arm64' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand attach" -l mirror -d 'Base URL to try after a URL\'s own; repeatable' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand attach" -l json -d 'Print what was done as JSON: pretty, short or off' -r -f -a "pretty\t'Indented'
short\t'On one line'
off\t'Not at all'"
complete -c veriroot -n "__fish_veriroot_using_subcommand attach" -s q -l quiet -d 'Say nothing but why it was refused'
complete -c veriroot -n "__fish_veriroot_using_subcommand attach" -s h -l help -d 'Print help'
complete -c veriroot -n "__fish_veriroot_using_subcommand audit" -l image-policy -d 'Image policy to demand (systemd.image-policy(7))' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand audit" -l image-filter -d 'Candidate partitions, such as root=fixture_2*' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand audit" -l certificate -d 'Trusted certificate or directory; repeatable' -r -F
complete -c veriroot -n "__fish_veriroot_using_subcommand audit" -l policy-file -d 'Policy file to demand; repeatable, all hold' -r -F
complete -c veriroot -n "__fish_veriroot_using_subcommand audit" -l class -d 'Judge it as machine, portable, sysext or confext' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand audit" -l root-hash -d 'Root hash that root must have besides' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand audit" -l usr-hash -d 'Root hash that usr must have besides' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand audit" -l architecture -d 'Machine the image is for, such as arm64' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand audit" -l mirror -d 'Base URL to try after a URL\'s own; repeatable' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand audit" -l verify -d 'Transport: signature, checksum, no or a SHA-256' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand audit" -l json -d 'Print each verdict as JSON: pretty, short or off' -r -f -a "pretty\t'Indented'
short\t'On one line'
off\t'Not at all'"
complete -c veriroot -n "__fish_veriroot_using_subcommand audit" -l html -d 'Write a page: what vouches for each byte' -r -F
complete -c veriroot -n "__fish_veriroot_using_subcommand audit" -l sarif -d 'Print all verdicts as one SARIF 2.1.0 log'
complete -c veriroot -n "__fish_veriroot_using_subcommand audit" -s q -l quiet -d 'Say nothing but why an image is refused'
complete -c veriroot -n "__fish_veriroot_using_subcommand audit" -s h -l help -d 'Print help'
complete -c veriroot -n "__fish_veriroot_using_subcommand boot" -s h -l help -d 'Print help'
complete -c veriroot -n "__fish_veriroot_using_subcommand detach" -l json -d 'Print what was done as JSON: pretty, short or off' -r -f -a "pretty\t'Indented'
short\t'On one line'
off\t'Not at all'"
complete -c veriroot -n "__fish_veriroot_using_subcommand detach" -s q -l quiet -d 'Say nothing but why it was refused'
complete -c veriroot -n "__fish_veriroot_using_subcommand detach" -s h -l help -d 'Print help'
complete -c veriroot -n "__fish_veriroot_using_subcommand dissect" -l image-policy -d 'Image policy to hold the layout against, as in systemd.image-policy(7)' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand dissect" -l image-filter -d 'Partitions to look at, such as root=fixture_2*' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand dissect" -l policy-file -d 'Policy file to hold the layout against (repeatable; all must be met)' -r -F
complete -c veriroot -n "__fish_veriroot_using_subcommand dissect" -l architecture -d 'Architecture of the machine the image is for, such as arm64' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand dissect" -l json -d 'Print JSON' -r -f -a "pretty\t'Indented'
short\t'On one line'
off\t'Not at all'"
complete -c veriroot -n "__fish_veriroot_using_subcommand dissect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c veriroot -n "__fish_veriroot_using_subcommand doctor" -l root -d 'Unpacked initrd to look into, in place of the running one' -r -F
complete -c veriroot -n "__fish_veriroot_using_subcommand doctor" -l json -d 'Print JSON' -r -f -a "pretty\t'Indented'
short\t'On one line'
off\t'Not at all'"
complete -c veriroot -n "__fish_veriroot_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c veriroot -n "__fish_veriroot_using_subcommand fetch" -l image-policy -d 'Image policy to demand (systemd.image-policy(7))' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand fetch" -l image-filter -d 'Candidate partitions, such as root=fixture_2*' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand fetch" -l certificate -d 'Trusted certificate or directory; repeatable' -r -F
complete -c veriroot -n "__fish_veriroot_using_subcommand fetch" -l policy-file -d 'Policy file to demand; repeatable, all hold' -r -F
complete -c veriroot -n "__fish_veriroot_using_subcommand fetch" -l class -d 'Judge it as machine, portable, sysext or confext' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand fetch" -l root-hash -d 'Root hash that root must have besides' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand fetch" -l usr-hash -d 'Root hash that usr must have besides' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand fetch" -l architecture -d 'Machine the image is for, such as arm64' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand fetch" -l mirror -d 'Base URL to try after a URL\'s own; repeatable' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand fetch" -l verify -d 'Transport: signature, checksum, no or a SHA-256' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand fetch" -l json -d 'Print the verdict as JSON: pretty, short or off' -r -f -a "pretty\t'Indented'
short\t'On one line'
off\t'Not at all'"
complete -c veriroot -n "__fish_veriroot_using_subcommand fetch" -s q -l quiet -d 'Say nothing but why the image is refused'
complete -c veriroot -n "__fish_veriroot_using_subcommand fetch" -s h -l help -d 'Print help'
complete -c veriroot -n "__fish_veriroot_using_subcommand keys; and not __fish_seen_subcommand_from list check help" -s h -l help -d 'Print help'
complete -c veriroot -n "__fish_veriroot_using_subcommand keys; and not __fish_seen_subcommand_from list check help" -f -a "list" -d 'Lists the trust anchors, and the files that can\'t be one'
complete -c veriroot -n "__fish_veriroot_using_subcommand keys; and not __fish_seen_subcommand_from list check help" -f -a "check" -d 'Says whether a boot would go on with them, and if not, why'
complete -c veriroot -n "__fish_veriroot_using_subcommand keys; and not __fish_seen_subcommand_from list check help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c veriroot -n "__fish_veriroot_using_subcommand keys; and __fish_seen_subcommand_from list" -l root -d 'Unpacked initrd to look into (its links have to stay inside)' -r -F
complete -c veriroot -n "__fish_veriroot_using_subcommand keys; and __fish_seen_subcommand_from list" -l certificate -d 'Certificate or directory to use in place of the policy\'s (repeatable)' -r -F
complete -c veriroot -n "__fish_veriroot_using_subcommand keys; and __fish_seen_subcommand_from list" -l policy-file -d 'Policy file to use in place of the system\'s (repeatable; all hold)' -r -F
complete -c veriroot -n "__fish_veriroot_using_subcommand keys; and __fish_seen_subcommand_from list" -l json -d 'Print JSON' -r -f -a "pretty\t'Indented'
short\t'On one line'
off\t'Not at all'"
complete -c veriroot -n "__fish_veriroot_using_subcommand keys; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c veriroot -n "__fish_veriroot_using_subcommand keys; and __fish_seen_subcommand_from check" -l root -d 'Unpacked initrd to look into (its links have to stay inside)' -r -F
complete -c veriroot -n "__fish_veriroot_using_subcommand keys; and __fish_seen_subcommand_from check" -l certificate -d 'Certificate or directory to use in place of the policy\'s (repeatable)' -r -F
complete -c veriroot -n "__fish_veriroot_using_subcommand keys; and __fish_seen_subcommand_from check" -l policy-file -d 'Policy file to use in place of the system\'s (repeatable; all hold)' -r -F
complete -c veriroot -n "__fish_veriroot_using_subcommand keys; and __fish_seen_subcommand_from check" -l json -d 'Print JSON' -r -f -a "pretty\t'Indented'
short\t'On one line'
off\t'Not at all'"
complete -c veriroot -n "__fish_veriroot_using_subcommand keys; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c veriroot -n "__fish_veriroot_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "list" -d 'Lists the trust anchors, and the files that can\'t be one'
complete -c veriroot -n "__fish_veriroot_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "check" -d 'Says whether a boot would go on with them, and if not, why'
complete -c veriroot -n "__fish_veriroot_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c veriroot -n "__fish_veriroot_using_subcommand mount" -l image-policy -d 'Image policy to demand (systemd.image-policy(7))' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand mount" -l image-filter -d 'Candidate partitions, such as root=fixture_2*' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand mount" -l certificate -d 'Trusted certificate or directory; repeatable' -r -F
complete -c veriroot -n "__fish_veriroot_using_subcommand mount" -l policy-file -d 'Policy file to demand; repeatable, all hold' -r -F
complete -c veriroot -n "__fish_veriroot_using_subcommand mount" -l class -d 'Judge it as machine, portable, sysext or confext' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand mount" -l root-hash -d 'Root hash that root must have besides' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand mount" -l usr-hash -d 'Root hash that usr must have besides' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand mount" -l architecture -d 'Machine the image is for, such as arm64' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand mount" -l mirror -d 'Base URL to try after a URL\'s own; repeatable' -r
complete -c veriroot -n "__fish_veriroot_using_subcommand mount" -l json -d 'Print what was done as JSON: pretty, short or off' -r -f -a "pretty\t'Indented'
short\t'On one line'
off\t'Not at all'"
complete -c veriroot -n "__fish_veriroot_using_subcommand mount" -s q -l quiet -d 'Say nothing but why it was refused'
complete -c veriroot -n "__fish_veriroot_using_subcommand mount" -s h -l help -d 'Print help'
complete -c veriroot -n "__fish_veriroot_using_subcommand policy; and not __fish_seen_subcommand_from show lint diff help" -s h -l help -d 'Print help'
complete -c veriroot -n "__fish_veriroot_using_subcommand policy; and not __fish_seen_subcommand_from show lint diff help" -f -a "show" -d 'Shows the normal form of a policy, and what it says of every partition'
complete -c veriroot -n "__fish_veriroot_using_subcommand policy; and not __fish_seen_subcommand_from show lint diff help" -f -a "lint" -d 'Says what is wrong with policies, or only looks right'
complete -c veriroot -n "__fish_veriroot_using_subcommand policy; and not __fish_seen_subcommand_from show lint diff help" -f -a "diff" -d 'Shows what one policy admits that another does not'
complete -c veriroot -n "__fish_veriroot_using_subcommand policy; and not __fish_seen_subcommand_from show lint diff help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c veriroot -n "__fish_veriroot_using_subcommand policy; and __fish_seen_subcommand_from show" -l json -d 'Print JSON' -r -f -a "pretty\t'Indented'
short\t'On one line'
off\t'Not at all'"
complete -c veriroot -n "__fish_veriroot_using_subcommand policy; and __fish_seen_subcommand_from show" -l as-systemd -d 'Show how systemd 262 reads it, mistakes included'
complete -c veriroot -n "__fish_veriroot_using_subcommand policy; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c veriroot -n "__fish_veriroot_using_subcommand policy; and __fish_seen_subcommand_from lint" -l json -d 'Print JSON' -r -f -a "pretty\t'Indented'
short\t'On one line'
off\t'Not at all'"
complete -c veriroot -n "__fish_veriroot_using_subcommand policy; and __fish_seen_subcommand_from lint" -l sarif -d 'Print SARIF 2.1.0'
complete -c veriroot -n "__fish_veriroot_using_subcommand policy; and __fish_seen_subcommand_from lint" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c veriroot -n "__fish_veriroot_using_subcommand policy; and __fish_seen_subcommand_from diff" -l json -d 'Print JSON' -r -f -a "pretty\t'Indented'
short\t'On one line'
off\t'Not at all'"
complete -c veriroot -n "__fish_veriroot_using_subcommand policy; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c veriroot -n "__fish_veriroot_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "show" -d 'Shows the normal form of a policy, and what it says of every partition'
complete -c veriroot -n "__fish_veriroot_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "lint" -d 'Says what is wrong with policies, or only looks right'
complete -c veriroot -n "__fish_veriroot_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "diff" -d 'Shows what one policy admits that another does not'
complete -c veriroot -n "__fish_veriroot_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c veriroot -n "__fish_veriroot_using_subcommand umount" -l json -d 'Print what was done as JSON: pretty, short or off' -r -f -a "pretty\t'Indented'
short\t'On one line'
off\t'Not at all'"
complete -c veriroot -n "__fish_veriroot_using_subcommand umount" -s q -l quiet -d 'Say nothing but why it was refused'
complete -c veriroot -n "__fish_veriroot_using_subcommand umount" -s h -l help -d 'Print help'
complete -c veriroot -n "__fish_veriroot_using_subcommand help; and not __fish_seen_subcommand_from attach audit boot detach dissect doctor fetch keys mount policy umount help" -f -a "attach" -d 'Makes devices of an image, as a boot does, and mounts nothing'
complete -c veriroot -n "__fish_veriroot_using_subcommand help; and not __fish_seen_subcommand_from attach audit boot detach dissect doctor fetch keys mount policy umount help" -f -a "audit" -d 'Judges an image with the boot engine: policy, signature, every block'
complete -c veriroot -n "__fish_veriroot_using_subcommand help; and not __fish_seen_subcommand_from attach audit boot detach dissect doctor fetch keys mount policy umount help" -f -a "boot" -d 'Boots the image that the kernel command line names (run in an initrd)'
complete -c veriroot -n "__fish_veriroot_using_subcommand help; and not __fish_seen_subcommand_from attach audit boot detach dissect doctor fetch keys mount policy umount help" -f -a "detach" -d 'Removes the devices that attach made'
complete -c veriroot -n "__fish_veriroot_using_subcommand help; and not __fish_seen_subcommand_from attach audit boot detach dissect doctor fetch keys mount policy umount help" -f -a "dissect" -d 'Shows what an image says about itself, and whether a policy admits it'
complete -c veriroot -n "__fish_veriroot_using_subcommand help; and not __fish_seen_subcommand_from attach audit boot detach dissect doctor fetch keys mount policy umount help" -f -a "doctor" -d 'Says whether an initrd has what a boot needs, and what is missing'
complete -c veriroot -n "__fish_veriroot_using_subcommand help; and not __fish_seen_subcommand_from attach audit boot detach dissect doctor fetch keys mount policy umount help" -f -a "fetch" -d 'Downloads an image, and keeps only what was signed'
complete -c veriroot -n "__fish_veriroot_using_subcommand help; and not __fish_seen_subcommand_from attach audit boot detach dissect doctor fetch keys mount policy umount help" -f -a "keys" -d 'Shows the trust anchors of a boot, and what is wrong with them'
complete -c veriroot -n "__fish_veriroot_using_subcommand help; and not __fish_seen_subcommand_from attach audit boot detach dissect doctor fetch keys mount policy umount help" -f -a "mount" -d 'Mounts an image read-only, as a boot does'
complete -c veriroot -n "__fish_veriroot_using_subcommand help; and not __fish_seen_subcommand_from attach audit boot detach dissect doctor fetch keys mount policy umount help" -f -a "policy" -d 'Shows, lints and compares image policies'
complete -c veriroot -n "__fish_veriroot_using_subcommand help; and not __fish_seen_subcommand_from attach audit boot detach dissect doctor fetch keys mount policy umount help" -f -a "umount" -d 'Takes away what mount made'
complete -c veriroot -n "__fish_veriroot_using_subcommand help; and not __fish_seen_subcommand_from attach audit boot detach dissect doctor fetch keys mount policy umount help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c veriroot -n "__fish_veriroot_using_subcommand help; and __fish_seen_subcommand_from keys" -f -a "list" -d 'Lists the trust anchors, and the files that can\'t be one'
complete -c veriroot -n "__fish_veriroot_using_subcommand help; and __fish_seen_subcommand_from keys" -f -a "check" -d 'Says whether a boot would go on with them, and if not, why'
complete -c veriroot -n "__fish_veriroot_using_subcommand help; and __fish_seen_subcommand_from policy" -f -a "show" -d 'Shows the normal form of a policy, and what it says of every partition'
complete -c veriroot -n "__fish_veriroot_using_subcommand help; and __fish_seen_subcommand_from policy" -f -a "lint" -d 'Says what is wrong with policies, or only looks right'
complete -c veriroot -n "__fish_veriroot_using_subcommand help; and __fish_seen_subcommand_from policy" -f -a "diff" -d 'Shows what one policy admits that another does not'
