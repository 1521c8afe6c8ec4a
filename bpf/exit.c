/* exit.c -- processes that end.
 *
 * Sees:   the last thread of a process leaving, at sched_process_exit, with the status it ends with.
 * Misses: single threads that end while their process goes on.
 * Cost:   one program per thread that ends; two reads decide for most of them.
 */

struct exited {
    struct head head;
    u32 status; /* as wait(2) gives it */
    u32 ret;    /* exit code */
    u32 sig;    /* signal that ended it, or 0 */
    u32 core;   /* 1: core dumped */
};

EVENT(procexit, exited, status, ret, sig, core)

RAW(sched_process_exit)
{
    u64 task = bpf_get_current_task();
    u64 signal = READ(u64, task, task_struct, signal);
    /* Counted down before the tracepoint: 0 means this was the last thread. */
    if (READ(s32, signal, signal_struct, live) != 0)
        return 0;
    struct exited *event = begin(TYPE_procexit, 0, sizeof(*event));
    if (!event)
        return 0;
    u32 status = READ(u32, signal, signal_struct, group_exit_code);
    if (!status)
        status = READ(u32, task, task_struct, exit_code);
    event->status = status;
    event->ret = status >> 8 & 0xff;
    event->sig = status & 0x7f;
    event->core = status >> 7 & 1;
    return submit(event);
}
