// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

// USDT probes for bpftrace, perf, and SystemTap, in the format of their header sys/sdt.h: a no-op instruction, and a
// note in the section .note.stapsdt with its address, the probe's name, and where its arguments are. Arguments are 64
// bits. docs/inspect.md of the folder inspect has the list of the probes.
//
// All probes have one semaphore: a counter that a tracer increments while it uses a probe. The executors look at it now
// and then, and reach the probes only if it is not 0. So the probes cost nothing while they are not used.

namespace eddy::sys {

#if defined(__ELF__) && defined(__linux__) && defined(__LP64__) && (defined(__x86_64__) || defined(__aarch64__))

extern "C" [[gnu::visibility("hidden")]] volatile unsigned short eddy_probes_semaphore;  // NOLINT

#define EDDY_PROBE_SEMAPHORE [[gnu::section(".probes"), gnu::used]] volatile unsigned short eddy_probes_semaphore = 0;

/// Returns whether a tracer is attached.
inline bool are_probes_used() noexcept { return eddy_probes_semaphore != 0; }

// clang-format off
#define EDDY_PROBE(name, first, second, third)                                                                       \
    asm volatile("990: nop\n"                                                                                        \
                 ".pushsection .note.stapsdt,\"\",\"note\"\n"                                                        \
                 ".balign 4\n"                                                                                       \
                 ".4byte 992f-991f, 994f-993f, 3\n"                                                                  \
                 "991: .asciz \"stapsdt\"\n"                                                                         \
                 "992: .balign 4\n"                                                                                  \
                 "993: .8byte 990b\n"                                                                                \
                 ".8byte _.stapsdt.base\n"                                                                           \
                 ".8byte eddy_probes_semaphore\n"                                                                    \
                 ".asciz \"eddy\"\n"                                                                                 \
                 ".asciz \"" #name "\"\n"                                                                            \
                 ".asciz \"8@%0 8@%1 8@%2\"\n"                                                                       \
                 "994: .balign 4\n"                                                                                  \
                 ".popsection\n"                                                                                     \
                 ".ifndef _.stapsdt.base\n" /* a tool finds by its address how far the program was moved */          \
                 ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"                             \
                 ".weak _.stapsdt.base\n"                                                                            \
                 ".hidden _.stapsdt.base\n"                                                                          \
                 "_.stapsdt.base: .space 1\n"                                                                        \
                 ".size _.stapsdt.base, 1\n"                                                                         \
                 ".popsection\n"                                                                                     \
                 ".endif\n" ::"r"(static_cast<std::uint64_t>(first)), "r"(static_cast<std::uint64_t>(second)),       \
                 "r"(static_cast<std::uint64_t>(third)))
// clang-format on

#else

#define EDDY_PROBE_SEMAPHORE
inline bool are_probes_used() noexcept { return false; }
#define EDDY_PROBE(name, first, second, third) \
    static_cast<void>(first), static_cast<void>(second), static_cast<void>(third)

#endif

}  // namespace eddy::sys
