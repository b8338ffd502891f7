"""The system calls that a program in a sandbox does not have, as a filter of the kernel (seccomp).

They are those with which it would get more rights or other namespaces, look into other processes, or keep
memory that is counted to no process.
"""

import errno
import platform
import signal
import struct
from dataclasses import dataclass

_NEW_USER_NAMESPACE = 0x10000000  # CLONE_NEWUSER
_STOP = signal.SIGSTOP  # which has a process neither work nor wait: it would never be out of time
_X32 = 0x40000000  # x86-64's second set of numbers begins there

# The fields of what a filter sees of a call.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, (16, 24, 32)
# Operations of the kernel's filter machine.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000


@dataclass(frozen=True, slots=True)
class _Machine:
    """architecture: its number. clone, clone3, unshare, kill, tkill, tgkill: numbers of calls that are looked
    at more closely. refused: of those that nobody has."""

    architecture: int
    clone: int
    unshare: int
    kill: int
    tkill: int
    tgkill: int
    refused: dict[str, int]
    clone3: int = 435


# The same everywhere: calls since Linux 5.1.
_NEW = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_send_signal": 424,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
    "memfd_secret": 447,
}

_X86 = {
    "shmget": 29,
    "msgget": 68,
    "ptrace": 101,
    "rt_sigqueueinfo": 129,
    "rt_tgsigqueueinfo": 297,
    "pivot_root": 155,
    "chroot": 161,
    "mount": 165,
    "umount2": 166,
    "init_module": 175,
    "delete_module": 176,
    "kexec_load": 246,
    "add_key": 248,
    "request_key": 249,
    "keyctl": 250,
    "perf_event_open": 298,
    "open_by_handle_at": 304,
    "setns": 308,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "kcmp": 312,
    "finit_module": 313,
    "memfd_create": 319,
    "bpf": 321,
    "userfaultfd": 323,
}

_ARM = {
    "umount2": 39,
    "mount": 40,
    "pivot_root": 41,
    "chroot": 51,
    "kexec_load": 104,
    "init_module": 105,
    "delete_module": 106,
    "ptrace": 117,
    "rt_sigqueueinfo": 138,
    "rt_tgsigqueueinfo": 240,
    "msgget": 186,
    "shmget": 194,
    "add_key": 217,
    "request_key": 218,
    "keyctl": 219,
    "perf_event_open": 241,
    "open_by_handle_at": 265,
    "setns": 268,
    "process_vm_readv": 270,
    "process_vm_writev": 271,
    "kcmp": 272,
    "finit_module": 273,
    "memfd_create": 279,
    "bpf": 280,
    "userfaultfd": 282,
}

_MACHINES = {
    "x86_64": _Machine(0xC000003E, 56, 272, 62, 200, 234, _X86 | _NEW),
    "aarch64": _Machine(0xC00000B7, 220, 97, 129, 130, 131, _ARM | _NEW),
}


def filter_for(machine: str) -> bytes | None:
    """The filter for a kind of processor (`platform.machine()`), or None where there is none."""
    known = _MACHINES.get(machine)
    return _filter(known) if known else None


def _filter(machine: _Machine) -> bytes:
    """Each rule says how many of the next ones are left out where it holds, and where it does not."""
    refuse, absent = _REFUSE | errno.EPERM, _REFUSE | errno.ENOSYS
    rules = [
        _rule(_LOAD, _ARCHITECTURE),
        _rule(_EQUAL, machine.architecture, 1, 0),
        _rule(_RETURN, refuse),
        _rule(_LOAD, _NUMBER),
        _rule(_AT_LEAST, _X32, 0, 1),
        _rule(_RETURN, refuse),
        _rule(_EQUAL, machine.clone3, 0, 1),  # its flags are not to be seen; callers go on to use clone
        _rule(_RETURN, absent),
    ]
    for number in machine.refused.values():
        rules += [_rule(_EQUAL, number, 0, 1), _rule(_RETURN, refuse)]
    looked_at = (
        (machine.clone, 0, _ANY_BIT, _NEW_USER_NAMESPACE),
        (machine.unshare, 0, _ANY_BIT, _NEW_USER_NAMESPACE),
        (machine.kill, 1, _EQUAL, _STOP),
        (machine.tkill, 1, _EQUAL, _STOP),
        (machine.tgkill, 2, _EQUAL, _STOP),
    )
    for number, argument, operation, value in looked_at:
        rules += [
            _rule(_EQUAL, number, 0, 4),
            _rule(_LOAD, _ARGUMENTS[argument]),
            _rule(operation, value, 0, 1),
            _rule(_RETURN, refuse),
            _rule(_RETURN, _ALLOW),
        ]
    return b"".join([*rules, _rule(_RETURN, _ALLOW)])


def _rule(operation: int, value: int, holds: int = 0, else_: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, holds, else_, value)


FILTER = filter_for(platform.machine())
