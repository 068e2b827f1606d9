/* Atomic access for the Thumb code of ARMv6, which has no instructions for it: LLVM calls these
   functions, and they are in ARM's other notation, which has. The kernel's helpers for it may be
   turned off. */

#include <stdint.h>

#define ORDER __ATOMIC_SEQ_CST

#define ADD(type, name)                                                                            \
    type name(type *at, type by) { return __atomic_fetch_add(at, by, ORDER); }
#define SUBTRACT(type, name)                                                                       \
    type name(type *at, type by) { return __atomic_fetch_sub(at, by, ORDER); }
#define SWAP(type, name)                                                                           \
    type name(type *at, type value) { return __atomic_exchange_n(at, value, ORDER); }
#define COMPARE_AND_SWAP(type, name)                                                               \
    type name(type *at, type old, type value) {                                                    \
        __atomic_compare_exchange_n(at, &old, value, 0, ORDER, ORDER);                             \
        return old;                                                                                \
    }

/* The names are the compiler's own, and cannot be said but so. */
uint32_t add4(uint32_t *, uint32_t) __asm__("__sync_fetch_and_add_4");
uint32_t subtract4(uint32_t *, uint32_t) __asm__("__sync_fetch_and_sub_4");
uint32_t swap4(uint32_t *, uint32_t) __asm__("__sync_lock_test_and_set_4");
uint64_t swap8(uint64_t *, uint64_t) __asm__("__sync_lock_test_and_set_8");
uint32_t compare_and_swap4(uint32_t *, uint32_t, uint32_t) __asm__("__sync_val_compare_and_swap_4");
uint64_t compare_and_swap8(uint64_t *, uint64_t, uint64_t) __asm__("__sync_val_compare_and_swap_8");
void fence(void) __asm__("__sync_synchronize");

ADD(uint32_t, add4)
SUBTRACT(uint32_t, subtract4)
SWAP(uint32_t, swap4)
SWAP(uint64_t, swap8)
COMPARE_AND_SWAP(uint32_t, compare_and_swap4)
COMPARE_AND_SWAP(uint64_t, compare_and_swap8)

void fence(void) { __atomic_thread_fence(ORDER); }
