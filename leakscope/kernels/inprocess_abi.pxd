# What CPython 3.10 to 3.13 keep where, for kernels that read their own interpreter: functions of a few words of C,
# compiled with the headers of the version that they run on. None of them changes or creates an object.
# Where a version is not known, what it hides stays without a name; references that tp_traverse visits are seen anyway.

cdef extern from *:
    """
    #include <Python.h>
    #include <structmember.h>
    #include <frameobject.h>
    #if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030E0000
    #  ifndef Py_BUILD_CORE
    #    define Py_BUILD_CORE 1
    #  endif
    #  undef _PyGC_FINALIZED  /* a macro in one header, a function in the other */
    #  include "internal/pycore_frame.h"
    #  include "internal/pycore_dict.h"
    #  define OWN_INTERIOR 1
    #else
    #  define OWN_INTERIOR 0
    #endif
    #define OWN_310 (PY_VERSION_HEX < 0x030B0000)

    static inline PyTypeObject *own_type(PyObject *o) { return Py_TYPE(o); }
    static inline Py_ssize_t own_count(PyObject *o) { return Py_REFCNT(o); }
    static inline Py_ssize_t own_length(PyObject *o) { return Py_SIZE(o); }
    static inline PyObject **own_tuple(PyObject *o) { return ((PyTupleObject *)o)->ob_item; }
    static inline PyObject **own_list(PyObject *o) { return ((PyListObject *)o)->ob_item; }
    static inline PyObject *own_word(PyObject *o, Py_ssize_t at) { return *(PyObject **)((char *)o + at); }
    static inline int own_is_gc(PyObject *o) { return PyObject_IS_GC(o); }
    static inline int own_is_tracked(PyObject *o) { return PyObject_IS_GC(o) && PyObject_GC_IsTracked(o); }
    static inline int own_is_weak_type(PyTypeObject *t) {
        return PyType_IsSubtype(t, &_PyWeakref_RefType) || t == &_PyWeakref_ProxyType
            || t == &_PyWeakref_CallableProxyType;
    }
    static inline PyObject *own_referent(PyObject *o) { return ((PyWeakReference *)o)->wr_object; }
    static inline int own_immortal(PyObject *o) {
    #if PY_VERSION_HEX >= 0x030C0000
        return _Py_IsImmortal(o);
    #else
        return 0;
    #endif
    }

    /* sys.getsizeof, exported by all versions, in an internal header since 3.13. */
    PyAPI_FUNC(size_t) _PySys_GetSizeOf(PyObject *);
    static inline Py_ssize_t own_asked_size(PyObject *o) { return (Py_ssize_t)_PySys_GetSizeOf(o); }

    /* Bytes before an object that sys.getsizeof counts. */
    static inline Py_ssize_t own_head(PyTypeObject *t) {
        Py_ssize_t head = t->tp_flags & Py_TPFLAGS_HAVE_GC ? 2 * (Py_ssize_t)sizeof(void *) : 0;
    #if PY_VERSION_HEX >= 0x030C0000
        return head + (t->tp_flags & Py_TPFLAGS_PREHEADER ? 2 * (Py_ssize_t)sizeof(void *) : 0);
    #elif PY_VERSION_HEX >= 0x030B0000
        return head + (t->tp_flags & Py_TPFLAGS_MANAGED_DICT ? 2 * (Py_ssize_t)sizeof(void *) : 0);
    #else
        return head;
    #endif
    }

    /* The dict of an instance, type or module if there is one by now; never makes one.
       A managed one is the third word before the object: in 3.12 odd where it stands for values. */
    static inline PyObject *own_dict(PyObject *o, PyTypeObject *t) {
    #if PY_VERSION_HEX >= 0x030B0000
        if (t->tp_flags & Py_TPFLAGS_MANAGED_DICT)
            return !OWN_INTERIOR || (uintptr_t)((PyObject **)o)[-3] & 1 ? NULL : ((PyObject **)o)[-3];
    #endif
        if (!t->tp_dictoffset) return NULL;
        PyObject **where = _PyObject_GetDictPtr(o);
        return where ? *where : NULL;
    }

    /* The namespace of a type; a builtin one keeps it in the interpreter's state since 3.12. */
    static inline PyObject *own_namespace(PyTypeObject *t) {
    #if PY_VERSION_HEX >= 0x030C0000
        PyObject *d = PyType_GetDict(t);
        Py_XDECREF(d);
        return d;
    #else
        return t->tp_dict;
    #endif
    }

    /* Weak references to the subclasses of a type. A builtin one keeps a number there since 3.12. */
    static inline PyObject *own_subclasses(PyTypeObject *t) {
    #if PY_VERSION_HEX >= 0x030C0000
        if (!(t->tp_flags & Py_TPFLAGS_HEAPTYPE)) return NULL;
    #endif
        return (PyObject *)t->tp_subclasses;
    }

    /* The keys that instances of a type share, and how many; NULL where they share none. */
    static inline Py_ssize_t own_shared_keys(PyTypeObject *t) {
    #if OWN_INTERIOR
        if (!(t->tp_flags & Py_TPFLAGS_HEAPTYPE) || !(t->tp_flags & Py_TPFLAGS_MANAGED_DICT)) return 0;
        PyDictKeysObject *keys = ((PyHeapTypeObject *)t)->ht_cached_keys;
        return keys && DK_IS_UNICODE(keys) ? keys->dk_nentries : 0;
    #else
        return 0;
    #endif
    }
    static inline PyObject *own_shared_key(PyTypeObject *t, Py_ssize_t i) {
    #if OWN_INTERIOR
        return DK_UNICODE_ENTRIES(((PyHeapTypeObject *)t)->ht_cached_keys)[i].me_key;
    #else
        return NULL;
    #endif
    }
    /* The values of those keys in an instance that has no dict of its own for them. */
    static inline PyObject **own_values(PyObject *o, PyTypeObject *t) {
    #if OWN_INTERIOR
        PyDictValues *values = NULL;
    #  if PY_VERSION_HEX >= 0x030D0000
        if (t->tp_flags & Py_TPFLAGS_INLINE_VALUES) values = (PyDictValues *)((char *)o + t->tp_basicsize);
        if (values && !values->valid) values = NULL;
    #  elif PY_VERSION_HEX >= 0x030C0000
        if (t->tp_flags & Py_TPFLAGS_MANAGED_DICT && (uintptr_t)((char **)o)[-3] & 1)
            values = (PyDictValues *)(((char **)o)[-3] + 1);
    #  else
        if (t->tp_flags & Py_TPFLAGS_MANAGED_DICT) values = ((PyDictValues **)o)[-4];
    #  endif
        return values ? values->values : NULL;
    #else
        return NULL;
    #endif
    }
    /* Whether a dict's values, or its keys, are another's: an instance's own, or shared by all instances. */
    static inline int own_values_borrowed(PyObject *d) {
    #if PY_VERSION_HEX >= 0x030D0000 && OWN_INTERIOR
        return ((PyDictObject *)d)->ma_values && ((PyDictObject *)d)->ma_values->embedded;
    #else
        return 0;
    #endif
    }
    static inline int own_keys_shared(PyObject *d) { return ((PyDictObject *)d)->ma_values != NULL; }

    /* A frame's or generator's variables and stack. 0: it has none (any more), or they cannot be read. */
    typedef struct {
        PyCodeObject *code; PyObject *function, *locals, **slots; Py_ssize_t named, top; int lasti;
    } OwnFrame;
    #if OWN_INTERIOR
    static inline int own_interpreter_frame(_PyInterpreterFrame *f, OwnFrame *out) {
    #  if PY_VERSION_HEX >= 0x030D0000
        if (!f->f_executable || !PyCode_Check(f->f_executable)) return 0;
        out->code = (PyCodeObject *)f->f_executable;
        out->function = f->f_funcobj;
    #  else
        if (!f->f_code) return 0;
        out->code = f->f_code;
    #    if PY_VERSION_HEX >= 0x030C0000
        out->function = f->f_funcobj;
    #    else
        out->function = (PyObject *)f->f_func;
    #    endif
    #  endif
        out->locals = f->f_locals;
        out->slots = f->localsplus;
        out->named = out->code->co_nlocalsplus;
        out->top = f->stacktop;
        out->lasti = _PyInterpreterFrame_LASTI(f) * (int)sizeof(_Py_CODEUNIT);
        return 1;
    }
    #endif
    static inline int own_frame(PyObject *o, OwnFrame *out) {
    #if OWN_INTERIOR
        return ((PyFrameObject *)o)->f_frame ? own_interpreter_frame(((PyFrameObject *)o)->f_frame, out) : 0;
    #elif OWN_310
        PyFrameObject *f = (PyFrameObject *)o;
        out->code = f->f_code;
        out->function = out->locals = NULL;  /* members, or not there */
        out->slots = f->f_localsplus;
        out->named = f->f_valuestack - f->f_localsplus;
        out->top = f->f_stackdepth < 0 ? -1 : out->named + f->f_stackdepth;
        out->lasti = f->f_lasti * 2;
        return 1;
    #else
        return 0;
    #endif
    }
    /* While a generator runs, its thread's frame tells what it holds. */
    static inline int own_generator(PyObject *o, OwnFrame *out) {
    #if OWN_INTERIOR
        PyGenObject *g = (PyGenObject *)o;
        return g->gi_frame_state < FRAME_CLEARED && g->gi_frame_state != FRAME_EXECUTING
            && own_interpreter_frame((_PyInterpreterFrame *)g->gi_iframe, out);
    #elif OWN_310
        PyObject *f = (PyObject *)((PyGenObject *)o)->gi_frame;
        return f && own_frame(f, out);
    #else
        return 0;
    #endif
    }
    /* Generators of 3.10 keep a frame object, which has the variables. */
    static inline int own_generator_has_slots(void) { return OWN_INTERIOR; }
    static inline int own_is_generator_type(PyTypeObject *t) {
        return t == &PyGen_Type || t == &PyCoro_Type || t == &PyAsyncGen_Type;
    }
    /* Frames of 3.10 have their code as a member; later ones keep it inside. */
    static inline int own_names_code(void) { return !OWN_310; }
    /* The name of a variable, and whether it is in a cell. */
    static inline PyObject *own_variable(PyCodeObject *c, Py_ssize_t i, int *cell) {
    #if OWN_310
        PyObject *parts[3] = {c->co_varnames, c->co_cellvars, c->co_freevars};
        for (int p = 0; p < 3; p++) {
            Py_ssize_t n = PyTuple_GET_SIZE(parts[p]);
            if (i < n) { *cell = p > 0; return PyTuple_GET_ITEM(parts[p], i); }
            i -= n;
        }
        return NULL;
    #else
        unsigned char kind = (unsigned char)PyBytes_AS_STRING(c->co_localspluskinds)[i];
        *cell = (kind & (0x40 | 0x80)) != 0;  /* CO_FAST_CELL, CO_FAST_FREE */
        return PyTuple_GET_ITEM(c->co_localsplusnames, i);
    #endif
    }
    static inline PyObject *own_closure(PyObject *function) { return ((PyFunctionObject *)function)->func_closure; }
    static inline PyCodeObject *own_code(PyObject *function) {
        return (PyCodeObject *)((PyFunctionObject *)function)->func_code;
    }
    /* The name of a variable in a function's closure; NULL if it has fewer. */
    static inline PyObject *own_free_variable(PyCodeObject *c, Py_ssize_t i) {
    #if OWN_310
        return i < PyTuple_GET_SIZE(c->co_freevars) ? PyTuple_GET_ITEM(c->co_freevars, i) : NULL;
    #else
        return i < c->co_nfreevars ? PyTuple_GET_ITEM(c->co_localsplusnames, c->co_nlocalsplus - c->co_nfreevars + i)
                                   : NULL;
    #endif
    }
    static inline PyObject *own_code_name(PyCodeObject *c) {
    #if OWN_310
        return c->co_name;
    #else
        return c->co_qualname;
    #endif
    }
    static inline int own_line(PyCodeObject *c, int lasti) {
        int line = lasti < 0 ? c->co_firstlineno : PyCode_Addr2Line(c, lasti);
        return line > 0 ? line : 0;
    }

    /* The characters of a str; -1: none that can be read. */
    static inline Py_ssize_t own_characters(PyObject *o) {
    #if PY_VERSION_HEX < 0x030C0000
        if (!PyUnicode_IS_READY(o)) return -1;
    #endif
        return PyUnicode_GET_LENGTH(o);
    }
    static inline long long own_character(PyObject *o, Py_ssize_t i) { return PyUnicode_READ_CHAR(o, i); }

    /* References that have a name for Python code but no member descriptor. */
    typedef struct { PyTypeObject *type; Py_ssize_t offset; const char *name; } OwnField;
    static inline Py_ssize_t own_fields(const OwnField **fields) {
        static OwnField known[24];
        static Py_ssize_t count = 0;
        if (!count) {
            Py_ssize_t n = 0;
    #define OWN(t, s, f, said) known[n].type = (PyTypeObject *)(t); known[n].offset = offsetof(s, f); \\
            known[n++].name = said;
            OWN(&PyCell_Type, PyCellObject, ob_ref, "cell_contents")
            OWN(&PyFunction_Type, PyFunctionObject, func_code, "__code__")
            OWN(&PyFunction_Type, PyFunctionObject, func_defaults, "__defaults__")
            OWN(&PyFunction_Type, PyFunctionObject, func_kwdefaults, "__kwdefaults__")
            OWN(&PyFunction_Type, PyFunctionObject, func_name, "__name__")
            OWN(&PyFunction_Type, PyFunctionObject, func_qualname, "__qualname__")
            OWN(&PyFunction_Type, PyFunctionObject, func_annotations, "__annotations__")
            OWN(&PyCFunction_Type, PyCFunctionObject, m_self, "__self__")
            OWN(&PyType_Type, PyTypeObject, tp_bases, "__bases__")
            OWN(&PyType_Type, PyTypeObject, tp_mro, "__mro__")
            OWN(&_PyWeakref_RefType, PyWeakReference, wr_callback, "__callback__")
            OWN(PyExc_BaseException, PyBaseExceptionObject, args, "args")
            OWN(PyExc_BaseException, PyBaseExceptionObject, traceback, "__traceback__")
            OWN(PyExc_BaseException, PyBaseExceptionObject, context, "__context__")
            OWN(PyExc_BaseException, PyBaseExceptionObject, cause, "__cause__")
            OWN(&PyTraceBack_Type, PyTracebackObject, tb_next, "tb_next")
    #if !OWN_310
            OWN(PyExc_BaseException, PyBaseExceptionObject, notes, "__notes__")
            OWN(&PyCode_Type, PyCodeObject, co_localsplusnames, "co_localsplusnames")
    #endif
    #undef OWN
            count = n;
        }
        *fields = known;
        return count;
    }
    static inline int own_bits(unsigned long long x) {
    #if defined(__GNUC__) && defined(__POPCNT__)
        return __builtin_popcountll(x);
    #else
        x -= (x >> 1) & 0x5555555555555555ULL;
        x = (x & 0x3333333333333333ULL) + ((x >> 2) & 0x3333333333333333ULL);
        return (int)((((x + (x >> 4)) & 0x0F0F0F0F0F0F0F0FULL) * 0x0101010101010101ULL) >> 56);
    #endif
    }
    static int own_ascending(const void *a, const void *b) {
        size_t x = *(const size_t *)a, y = *(const size_t *)b;
        return (x > y) - (x < y);
    }
    static inline int own_is_object_member(PyMemberDef *m) { return m->type == T_OBJECT || m->type == T_OBJECT_EX; }
    """
    ctypedef struct PyObject
    ctypedef int (*visitproc)(PyObject *, void *) noexcept
    ctypedef int (*traverseproc)(PyObject *, visitproc, void *) noexcept
    ctypedef PyObject *(*PyCFunction)(PyObject *, PyObject *) noexcept
    ctypedef struct PyMemberDef:
        const char *name
        Py_ssize_t offset
    ctypedef struct PyTypeObject:
        const char *tp_name
        Py_ssize_t tp_basicsize
        Py_ssize_t tp_itemsize
        Py_ssize_t tp_dictoffset
        unsigned long tp_flags
        traverseproc tp_traverse
        PyMemberDef *tp_members
        PyTypeObject *tp_base
        PyObject *tp_mro
    ctypedef struct PyMethodDef:
        PyCFunction ml_meth
        int ml_flags
    ctypedef struct PyMethodDescrObject:
        PyMethodDef *d_method
    ctypedef struct PyCodeObject:
        PyObject *co_filename
    ctypedef struct PyFrameObject
    ctypedef struct PyErrItem "_PyErr_StackItem":
        PyObject *exc_value
        PyErrItem *previous_item
    ctypedef struct PyThreadState:
        PyErrItem *exc_info
        PyObject *dict
        PyObject *context
        unsigned long thread_id
    ctypedef struct PyInterpreterState
    ctypedef struct OwnFrame:
        PyCodeObject *code
        PyObject *function
        PyObject *locals
        PyObject **slots
        Py_ssize_t named
        Py_ssize_t top
        int lasti
    ctypedef struct OwnField:
        PyTypeObject *type
        Py_ssize_t offset
        const char *name
    PyTypeObject PyType_Type, PyDict_Type, PyList_Type, PyTuple_Type, PyUnicode_Type, PyBaseObject_Type
    PyTypeObject PySet_Type, PyFrozenSet_Type, PyCode_Type, PyFunction_Type, PyFrame_Type, PyModule_Type
    PyTypeObject PyMethodDescr_Type
    unsigned long Py_TPFLAGS_HEAPTYPE
    int METH_NOARGS

    PyTypeObject *own_type(PyObject *o) noexcept
    Py_ssize_t own_count(PyObject *o) noexcept
    Py_ssize_t own_length(PyObject *o) noexcept
    PyObject **own_tuple(PyObject *o) noexcept
    PyObject **own_list(PyObject *o) noexcept
    PyObject *own_word(PyObject *o, Py_ssize_t at) noexcept
    bint own_is_gc(PyObject *o) noexcept
    bint own_is_tracked(PyObject *o) noexcept
    PyObject *own_referent(PyObject *o) noexcept
    bint own_immortal(PyObject *o) noexcept
    Py_ssize_t own_asked_size(PyObject *o) noexcept
    Py_ssize_t own_head(PyTypeObject *t) noexcept
    PyObject *own_dict(PyObject *o, PyTypeObject *t) noexcept
    PyObject *own_namespace(PyTypeObject *t) noexcept
    PyObject *own_subclasses(PyTypeObject *t) noexcept
    Py_ssize_t own_shared_keys(PyTypeObject *t) noexcept
    PyObject *own_shared_key(PyTypeObject *t, Py_ssize_t i) noexcept
    PyObject **own_values(PyObject *o, PyTypeObject *t) noexcept
    bint own_values_borrowed(PyObject *d) noexcept
    bint own_keys_shared(PyObject *d) noexcept
    bint own_frame(PyObject *o, OwnFrame *out) noexcept
    bint own_generator(PyObject *o, OwnFrame *out) noexcept
    bint own_generator_has_slots() noexcept
    bint own_names_code() noexcept
    bint own_is_generator_type(PyTypeObject *t) noexcept
    bint own_is_weak_type(PyTypeObject *t) noexcept
    PyObject *own_variable(PyCodeObject *c, Py_ssize_t i, int *cell) noexcept
    PyObject *own_closure(PyObject *function) noexcept
    PyCodeObject *own_code(PyObject *function) noexcept
    PyObject *own_free_variable(PyCodeObject *c, Py_ssize_t i) noexcept
    PyObject *own_code_name(PyCodeObject *c) noexcept
    Py_ssize_t own_characters(PyObject *o) noexcept
    long long own_character(PyObject *o, Py_ssize_t i) noexcept
    int own_line(PyCodeObject *c, int lasti) noexcept
    Py_ssize_t own_fields(const OwnField **fields) noexcept
    bint own_is_object_member(PyMemberDef *m) noexcept nogil
    int own_bits(unsigned long long x) noexcept nogil
    int own_ascending(const void *a, const void *b) noexcept nogil

    bint PyType_IsSubtype(PyTypeObject *a, PyTypeObject *b) noexcept
    bint PyDict_Next(PyObject *d, Py_ssize_t *at, PyObject **key, PyObject **value) noexcept
    Py_ssize_t PyDict_Size(PyObject *d) noexcept
    PyObject *own_lookup "_PyType_Lookup"(PyTypeObject *t, PyObject *name) noexcept
    Py_ssize_t PyLong_AsSsize_t(PyObject *o) noexcept
    void PyErr_Clear() noexcept
    void Py_DECREF(PyObject *o) noexcept
    PyThreadState *PyThreadState_Get() noexcept
    PyThreadState *PyThreadState_Next(PyThreadState *t) noexcept
    PyThreadState *PyInterpreterState_ThreadHead(PyInterpreterState *i) noexcept
    PyInterpreterState *PyInterpreterState_Get() noexcept
    PyObject *own_thread_frame "(PyObject *)PyThreadState_GetFrame"(PyThreadState *t) noexcept
    PyObject *own_frame_back "(PyObject *)PyFrame_GetBack"(PyFrameObject *f) noexcept

ctypedef PyObject *Obj
ctypedef PyTypeObject *Class
