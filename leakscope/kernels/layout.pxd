# The C view of layout.py: one field per number.

cdef class Layout:
    cdef readonly long long dict_keys, dict_values, dict_used
    cdef readonly long long dictkeys_size, dictkeys_log2_size, dictkeys_log2_index_bytes, dictkeys_kind
    cdef readonly long long dictkeys_nentries, dictkeys_usable, dictkeys_refcnt, dictkeys_indices, dictkeys_sizeof
    cdef readonly long long dictvalues_values, dictvalues_embedded, dictvalues_valid
    cdef readonly long long instance_managed_dict, instance_values_ptr, instance_dict_or_values
    cdef readonly long long list_items, list_size, list_allocated, tuple_items
    cdef readonly long long set_mask, set_table
    cdef readonly long long deque_leftblock, deque_leftindex, deque_block_sizeof, deque_block_data, deque_block_rightlink
    cdef readonly long long type_flags, flag_heaptype, heaptype_cached_keys, heaptype_sizeof, type_sizeof
    cdef readonly long long frame_code, frame_localsplus, frame_stackdepth, frame_interp_frame, frame_frame_data
    cdef readonly long long generator_iframe, generator_frame_state
    cdef readonly long long iframe_func, iframe_code, iframe_locals, iframe_frame_obj, iframe_stacktop
    cdef readonly long long iframe_localsplus
    cdef readonly long long code_nlocalsplus, code_stacksize, code_varnames, code_cellvars, code_freevars
    cdef readonly long long code_localsplusnames, code_localspluskinds, code_kind_cell, code_kind_free
    cdef readonly long long function_code, function_closure
    cdef readonly long long unicode_length, unicode_state, unicode_ascii_sizeof, unicode_compact_sizeof
    cdef readonly long long unicode_kind_mask, unicode_compact_mask, unicode_ascii_mask, unicode_utf8
    cdef readonly long long unicode_utf8_length, unicode_data, unicode_sizeof
    cdef readonly long long long_digits, bytes_sval, bytearray_alloc, array_allocated, array_descr
    cdef readonly long long odict_fast_nodes_size, odict_node_sizeof
    cdef readonly long long long_tag, minor
