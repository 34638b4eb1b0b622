"""The numbers of one CPython version that the kernels need, as C fields."""

import cython


@cython.final
@cython.cclass
class Layout:
    """Made from anything that has these attributes: ``cpython.layouts.Layout``; -1 means absent."""

    def __init__(self, numbers, minor):
        self.minor = minor
        self.dict_keys = numbers.dict_keys
        self.dict_values = numbers.dict_values
        self.dict_used = numbers.dict_used
        self.dictkeys_size = numbers.dictkeys_size
        self.dictkeys_log2_size = numbers.dictkeys_log2_size
        self.dictkeys_log2_index_bytes = numbers.dictkeys_log2_index_bytes
        self.dictkeys_kind = numbers.dictkeys_kind
        self.dictkeys_nentries = numbers.dictkeys_nentries
        self.dictkeys_usable = numbers.dictkeys_usable
        self.dictkeys_refcnt = numbers.dictkeys_refcnt
        self.dictkeys_indices = numbers.dictkeys_indices
        self.dictkeys_sizeof = numbers.dictkeys_sizeof
        self.dictvalues_values = numbers.dictvalues_values
        self.dictvalues_embedded = numbers.dictvalues_embedded
        self.dictvalues_valid = numbers.dictvalues_valid
        self.instance_managed_dict = numbers.instance_managed_dict
        self.instance_values_ptr = numbers.instance_values_ptr
        self.instance_dict_or_values = numbers.instance_dict_or_values
        self.list_items = numbers.list_items
        self.list_size = numbers.list_size
        self.list_allocated = numbers.list_allocated
        self.tuple_items = numbers.tuple_items
        self.set_mask = numbers.set_mask
        self.set_table = numbers.set_table
        self.deque_leftblock = numbers.deque_leftblock
        self.deque_leftindex = numbers.deque_leftindex
        self.deque_block_sizeof = numbers.deque_block_sizeof
        self.deque_block_data = numbers.deque_block_data
        self.deque_block_rightlink = numbers.deque_block_rightlink
        self.type_flags = numbers.type_flags
        self.flag_heaptype = numbers.flag_heaptype
        self.heaptype_cached_keys = numbers.heaptype_cached_keys
        self.heaptype_sizeof = numbers.heaptype_sizeof
        self.type_sizeof = numbers.type_sizeof
        self.frame_code = numbers.frame_code
        self.frame_localsplus = numbers.frame_localsplus
        self.frame_stackdepth = numbers.frame_stackdepth
        self.frame_interp_frame = numbers.frame_interp_frame
        self.frame_frame_data = numbers.frame_frame_data
        self.generator_iframe = numbers.generator_iframe
        self.generator_frame_state = numbers.generator_frame_state
        self.iframe_func = numbers.iframe_func
        self.iframe_code = numbers.iframe_code
        self.iframe_locals = numbers.iframe_locals
        self.iframe_frame_obj = numbers.iframe_frame_obj
        self.iframe_stacktop = numbers.iframe_stacktop
        self.iframe_localsplus = numbers.iframe_localsplus
        self.code_nlocalsplus = numbers.code_nlocalsplus
        self.code_stacksize = numbers.code_stacksize
        self.code_varnames = numbers.code_varnames
        self.code_cellvars = numbers.code_cellvars
        self.code_freevars = numbers.code_freevars
        self.code_localsplusnames = numbers.code_localsplusnames
        self.code_localspluskinds = numbers.code_localspluskinds
        self.code_kind_cell = numbers.code_kind_cell
        self.code_kind_free = numbers.code_kind_free
        self.function_code = numbers.function_code
        self.function_closure = numbers.function_closure
        self.unicode_length = numbers.unicode_length
        self.unicode_state = numbers.unicode_state
        self.unicode_ascii_sizeof = numbers.unicode_ascii_sizeof
        self.unicode_compact_sizeof = numbers.unicode_compact_sizeof
        self.unicode_kind_mask = numbers.unicode_kind_mask
        self.unicode_compact_mask = numbers.unicode_compact_mask
        self.unicode_ascii_mask = numbers.unicode_ascii_mask
        self.unicode_utf8 = numbers.unicode_utf8
        self.unicode_utf8_length = numbers.unicode_utf8_length
        self.unicode_data = numbers.unicode_data
        self.unicode_sizeof = numbers.unicode_sizeof
        self.long_digits = numbers.long_digits
        self.long_tag = numbers.long_tag
        self.bytes_sval = numbers.bytes_sval
        self.bytearray_alloc = numbers.bytearray_alloc
        self.array_allocated = numbers.array_allocated
        self.array_descr = numbers.array_descr
        self.odict_fast_nodes_size = numbers.odict_fast_nodes_size
        self.odict_node_sizeof = numbers.odict_node_sizeof
