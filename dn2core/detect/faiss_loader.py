"""FAISS, loaded with the matrix kernels that the processor can run. Whoever needs FAISS takes it from here."""

import os


def _load_faiss():
    """FAISS, whose wheel brings an OpenBLAS of 2021 that takes newer x86 processors for a Pentium 4.

    Told which kernels the processor can run, it searches four times as fast. OpenBLAS reads the setting
    while it is loaded, so it is there for that moment only; a setting of the user's own stays in force.
    """
    name = "OPENBLAS_CORETYPE"
    try:
        from numpy._core._multiarray_umath import __cpu_features__ as can
    except ImportError:
        can = {}
    core = "SkylakeX" if can.get("AVX512_SKX") else "Haswell" if can.get("AVX2") and can.get("FMA3") else None
    if core is None or name in os.environ:
        import faiss

        return faiss
    os.environ[name] = core
    try:
        import faiss
    finally:
        del os.environ[name]
    return faiss


faiss = _load_faiss()
