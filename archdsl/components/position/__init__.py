"""A bias of attention that is a function of the distance, shared by mixers that learn one."""
