# SPDX-License-Identifier: LGPL-2.1-or-later
#
# fish completion for virt-membacking: commands, options, guests, profiles.
#
# Commands, options and profiles are asked of the program itself, so that there is one list
# of them.  Guests are asked of libvirt, read-only.

# Lines "  --NAME ..." and "  NAME  ..." of a help text, between a heading and a blank line: with a
# tab between name and description
function __virt_membacking_help
    set -l program (commandline -opc)[1]
    set -l heading $argv[1]
    $program $argv[2..-1] --help 2>/dev/null |
        sed -n "/^$heading:\$/,/^\$/{ s/^  \([a-z-][a-z-]*\)\(, -[A-Za-z]\)\{0,1\}\([[ =][^ ]*\)\{0,1\}  *\(.*\)/\1\t\4/p }"
end

function __virt_membacking_guests
    virsh -q -r -c qemu:///system list --all --name 2>/dev/null | string match -v ''
end

# The words so far without options and their values: the command, then its arguments
function __virt_membacking_words
    set -l skip no
    for word in (commandline -opc)[2..-1]
        if test $skip = yes
            set skip no
            continue
        end
        switch $word
            case --root --xml --size --page-size --backing --node --output --resident --svg --since -c --connect
                set skip yes
            case '-*'
            case '*'
                echo $word
        end
    end
end

function __virt_membacking_at
    set -l words (__virt_membacking_words)
    test (count $words) -eq $argv[1]; or return 1
    test (count $argv) -eq 1; and return 0
    contains -- "$words[1]" $argv[2..-1]
end

function __virt_membacking_first_is
    set -l words (__virt_membacking_words)
    contains -- "$words[1]" $argv
end

function __virt_membacking_profiles
    set -l program (commandline -opc)[1]
    $program conf list 2>/dev/null | string replace -r '\s.*' ''
end

function __virt_membacking_options
    set -l words (__virt_membacking_words)
    __virt_membacking_help Options $words[1] | string match -- '--*'
end

function __virt_membacking_has
    contains -- $argv[1] (__virt_membacking_options | string replace -r '\t.*' '')
end

function __virt_membacking_nodes
    for node in /sys/devices/system/node/node*
        string replace -r '.*/node' '' $node
    end
end

complete -c virt-membacking -f
complete -c virt-membacking -n '__virt_membacking_at 0' -a '(__virt_membacking_help Commands)'
complete -c virt-membacking -n '__virt_membacking_at 1 help' -a '(__virt_membacking_help Commands)'
complete -c virt-membacking -n 'string match -q -- "-*" (commandline -ct)' \
    -a '(__virt_membacking_options)'
complete -c virt-membacking -n '__virt_membacking_at 1 plan advise reserve release' \
    -a '(__virt_membacking_guests)'
complete -c virt-membacking -n '__virt_membacking_first_is check status log' \
    -a '(__virt_membacking_guests)'
complete -c virt-membacking -n '__virt_membacking_at 1 conf' -a 'list show diff apply remove'
complete -c virt-membacking -n '__virt_membacking_at 2 conf' -a '(__virt_membacking_profiles)'
complete -c virt-membacking -n '__virt_membacking_at 1 hook' -a 'status enable disable'
complete -c virt-membacking -n '__virt_membacking_at 1 overcommit' \
    -a 'status enable disable set adopt release'
complete -c virt-membacking -n '__virt_membacking_at 2 overcommit' -a '(__virt_membacking_guests)'
complete -c virt-membacking -n '__virt_membacking_has --root' -l root -r \
    -a '(__fish_complete_directories)'
complete -c virt-membacking -n '__virt_membacking_has --xml' -l xml -r -F
complete -c virt-membacking -n '__virt_membacking_has --output' -l output -r -F
complete -c virt-membacking -n '__virt_membacking_has --svg' -l svg -r -F
complete -c virt-membacking -n '__virt_membacking_has --page-size' -l page-size -x -a '2M 1G'
complete -c virt-membacking -n '__virt_membacking_has --backing' -l backing -x \
    -a 'static dynamic thp file ksm overcommit'
complete -c virt-membacking -n '__virt_membacking_has --node' -l node -x \
    -a '(__virt_membacking_nodes)'
complete -c virt-membacking -n 'test (commandline -opc)[-1] = --map' -a '(__virt_membacking_nodes)'
complete -c virt-membacking -n '__virt_membacking_has --size' -l size -x
complete -c virt-membacking -n '__virt_membacking_has --resident' -l resident -x
complete -c virt-membacking -n '__virt_membacking_has --since' -l since -x -a '1h 1d 7d'
complete -c virt-membacking -n '__virt_membacking_has --connect' -s c -l connect -x
