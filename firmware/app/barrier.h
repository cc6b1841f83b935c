/* Order of memory accesses between an interrupt or another core and this code.
 *
 * C99 has no atomics, and `volatile` orders neither other accesses nor what
 * another core sees. GCC, Clang and Arm's compiler know the fence below: no
 * access moves across it, and on Arm it is a `dmb`. A port with another
 * compiler defines the macro itself, e.g. as IAR's __DMB(). */
#ifndef ES_BARRIER_H
#define ES_BARRIER_H

#ifndef es_memory_barrier
#if defined(__GNUC__)
#define es_memory_barrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#else
#error "define es_memory_barrier() for this compiler: a compiler barrier and the machine's memory barrier"
#endif
#endif

#endif
