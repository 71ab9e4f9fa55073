// Addresses of the hand-written machine code in src/backend/gates and of the backend's routines. Each function is
// compiled to one `lea symbol(%rip)`: the symbol has the function's name.

/** Entry of every trampoline's slow path when gs base is the program's: the signal gate goes on from there. */
export declare function gateFault(): u64;
/** Entry of every trampoline's slow path: rcx = descriptor, S_RCX and S_R11 saved, the program's rsp. */
export declare function gateSyscall(): u64;
/** First instruction of `gateSyscall` that runs on the engine stack. */
export declare function gateSyscallOnEngineStack(): u64;
/** Entry of the trampoline of an instruction that hooks are called at: as `gateSyscall`. */
export declare function gateInstruction(): u64;
/** First instruction of it that runs on the engine stack. */
export declare function gateInstructionOnEngineStack(): u64;
/** The conditional jump behind its check for deferred signals, its last jump, and one past the last byte of that. */
export declare function gateInstructionExit(): u64;
export declare function gateInstructionJump(): u64;
export declare function gateInstructionEnd(): u64;
/** `int $0x80` of a call that Syscall User Dispatch caught and the kernel is to answer: the block has `after`. */
export declare function gateInterrupt(): u64;
/** The same when gs base is the program's: a fault follows it. */
export declare function gateInterruptFault(): u64;
/** One past the last byte of both. */
export declare function gateInterruptEnd(): u64;
/** Where a trap without a trampoline, and a call that Syscall User Dispatch caught, goes on: ThreadBlock.after, .savedRcx and .savedR11 are set, r11 = the block, which is the engine stack's
 * top, the program's rsp. And its first instruction that runs on the engine stack. */
export declare function gateTrap(): u64;
export declare function gateTrapOnEngineStack(): u64;
/** The conditional jump behind the check for deferred signals: from here on a signal finishes from the saved frame. */
export declare function gateExit(): u64;
/** The last jump out of the engine: rsp is the program's, rcx the target. */
export declare function gateExitJump(): u64;
/** One past the last byte of `gateExitJump`. */
export declare function gateExitEnd(): u64;
/** `syscall` of a call that the engine looked at and lets the kernel do with the program's registers. */
export declare function gateNative(): u64;
/** The same when gs base is the program's, for a call whose end must be told from others': a fault follows it. */
export declare function gateNativeFault(): u64;
/** One past the last byte of the native gates. */
export declare function gateNativeEnd(): u64;
/** `syscall` of a call whose hooks want to know how it ends: `onHookedReturn` follows. */
export declare function gateHooked(): u64;
/** The same when gs base is the program's: a fault follows it. */
export declare function gateHookedFault(): u64;
/** Where that fault goes on: r11 = the block, the program's rsp. */
export declare function gateHookedSwitch(): u64;
/** First instruction behind both that runs on the engine stack. */
export declare function gateHookedOnEngineStack(): u64;
/** `syscall` of clone, clone3, fork and vfork: r15 holds the child's block, every signal is blocked. */
export declare function gateClone(): u64;
/** The conditional jump behind the check for deferred signals, on the way into the return frame. */
export declare function gateReturn(): u64;
/** One past the last byte of the way into the return frame. */
export declare function gateReturnEnd(): u64;
/** The kernel's handler for every signal. */
export declare function gateSignal(): u64;
/** The conditional jump behind the signal gate's check for deferred signals: rbx is the frame that rt_sigreturn gets. */
export declare function gateSignalReturn(): u64;
/** SA_RESTORER of the kernel's handler; never reached, since the signal gate makes its own
 * rt_sigreturn, which is the last instruction in front of it. */
export declare function gateSignalRestorer(): u64;

/** The single `rep movsb` of tryCopyIn and tryCopyOut, and where it goes on after a fault. */
export declare function tryCopyInstruction(): u64;
export declare function tryCopyFault(): u64;

/** The hook table in rodata (src/abi/hook-table.ts). */
export declare function hookTable(): u64;

/** The launcher's image: its headers, and one past linear memory. */
export declare function launcherStart(): u64;
export declare function launcherEnd(): u64;

/** The `syscall` of the engine's own calls (seccomp/site.ts). */
export declare function engineSyscallInstruction(): u64;

/** The first byte of the launcher's text: gates and compiled engine. */
export declare function textStart(): u64;
