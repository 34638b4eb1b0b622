"""The compiled loops: the only room that walks objects one by one.

Every kernel takes and returns NumPy arrays and checks what it reads from the
foreign heap against bounds before it uses it as an address, an index or a
count. Cython in pure Python mode; ``.pyi`` files give the types to callers.
"""
