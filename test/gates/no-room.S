# Behind the target's code, which starts at mmap_min_addr: more than a jump reaches, never touched.
        .section .gap, "a", @nobits
        .skip 0x50000000
