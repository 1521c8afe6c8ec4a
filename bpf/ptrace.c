/* ptrace.c -- processes that trace others, or ask to be traced.
 *
 * Sees:   ptrace at its exit: PTRACE_TRACEME, PTRACE_ATTACH, PTRACE_SEIZE and the calls that change a traced
 *         process. The many calls a debugger makes to look and to go on are not reported.
 * Misses: process_vm_writev and /proc/PID/mem, which reach the same end.
 * Cost:   one program per call.
 */

#define PTRACE_TRACEME 0
#define PTRACE_POKETEXT 4
#define PTRACE_POKEDATA 5
#define PTRACE_POKEUSER 6
#define PTRACE_SETREGS 13
#define PTRACE_ATTACH 16
#define PTRACE_SETREGSET 0x4205
#define PTRACE_SEIZE 0x4206

struct traced {
    struct head head;
    u64 addr;
    u64 data;
    u32 request;
    u32 pid;
};

EVENT(ptrace, traced, head.res, addr, data, request, pid)

SYSCALL(ptrace)
{
    BEGIN(traced, TYPE_ptrace);
    switch (given.a0) {
    case PTRACE_TRACEME:
    case PTRACE_POKETEXT:
    case PTRACE_POKEDATA:
    case PTRACE_POKEUSER:
    case PTRACE_SETREGS:
    case PTRACE_ATTACH:
    case PTRACE_SETREGSET:
    case PTRACE_SEIZE:
        event->request = given.a0;
        event->pid = given.a1;
        event->addr = given.a2;
        event->data = given.a3;
        return submit(event);
    }
    return 0;
}
