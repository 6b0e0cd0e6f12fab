"""Compiling by numba so that machine code depends on the source alone.

Numba puts weak copies of all functions that are called into the code of the caller, and when that
code is loaded, it takes for them whatever the process has loaded under their names before: in a
process that fills an empty cache, each function as it was compiled by itself; in later ones, the
copies within the code that comes from the cache; after another density that shares them, those of
that one. Sums in them are ordered as each was optimised, so that results differ from the last bit
on. Here the copies belong to the code they were linked into, and nothing takes their place, which
costs no time (bench/bench_gradient.py).
"""

from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import llvmlite.binding as llvm
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import AnalysisPass, register_pass
from pytensor.compile.mode import Mode, get_default_mode
from pytensor.link.numba import cache
from pytensor.link.numba.dispatch.basic import numba_njit
from pytensor.link.numba.linker import NumbaLinker

_PIPELINE: Final = "nopython"
_REVISION: Final = "recovery1"
"""Of what is done here; code that was made otherwise stays in the cache, and is not found."""


class OwnLibrary(JITCodeLibrary):  # type: ignore[misc]  # numba has no types
    """A library that keeps to itself what is linked into it."""

    @property
    def possible(self) -> bool:
        """Whether this version of numba has what is worked on."""
        return hasattr(self, "_final_module") and hasattr(self, "_linking_libraries")

    def finalize(self) -> None:
        """Link what is called, make it internal, and go on as any library does."""
        module = self._final_module
        for linked in dict.fromkeys(self._linking_libraries):
            module.link_in(linked._get_module_for_linking(), preserve=True)
            if hasattr(self, "_reload_init"):  # since numba 0.63
                self._reload_init.update(linked._reload_init)
        self._linking_libraries.clear()
        own = uuid4().hex
        for function in module.functions:
            if not function.is_declaration and function.linkage == llvm.Linkage.linkonce_odr:
                function.linkage = llvm.Linkage.internal
                # Whoever loads it knows internal functions by name, too, and these may have come to
                # take their arguments otherwise than those that others call by the old name.
                function.name = f"own.{own}.{function.name}"
        super().finalize()


@register_pass(mutates_CFG=False, analysis_only=True)
class IntoOwnLibrary(AnalysisPass):  # type: ignore[misc]  # numba has no types
    """Have the function compiled into an `OwnLibrary`."""

    _name = "into_own_library"

    def __init__(self) -> None:
        AnalysisPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """Do what numba would do before it lowers a function.

        If it has changed so much that this cannot be, it does so itself, and the code is right to
        all but the last bits.
        """
        library = OwnLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        if library.possible:
            library.enable_object_caching()
            state.library = library
        return False


class OwnCode(Compiler):  # type: ignore[misc]  # numba has no types
    """Numba's own pipelines, the one without Python objects with an `OwnLibrary`."""

    def define_pipelines(self) -> list[Any]:
        """Return the pipelines."""
        pipelines: list[Any] = super().define_pipelines()
        for pipeline in pipelines:
            if pipeline.pipeline_name == _PIPELINE:
                pipeline.add_pass_after(IntoOwnLibrary, pipeline.passes[0][0])
                pipeline.finalize()
        return pipelines


class OwnLinker(NumbaLinker):  # type: ignore[misc]  # PyTensor has no types
    """PyTensor's linker for numba, whose functions have their own code."""

    def jit_compile(self, fn_and_cache: tuple[Any, str | None]) -> Callable[..., Any]:
        """Return the function to call, cached apart from what PyTensor compiles itself."""
        function, key = fn_and_cache
        keys: Any = getattr(cache, "CACHED_SRC_FUNCTIONS", None)
        cached = key is not None and keys is not None
        if cached:
            keys[function.py_func] = f"{key}-{_REVISION}"
        compiled: Callable[..., Any] = numba_njit(
            function.py_func, final_function=True, cache=cached, pipeline_class=OwnCode
        )
        return compiled


def own_mode() -> Any:
    """Return PyTensor's default mode, with an `OwnLinker` if that compiles by numba."""
    mode = get_default_mode()
    if type(mode.linker) is NumbaLinker:  # no other that a user may have made of it
        return Mode(OwnLinker(), mode.provided_optimizer)
    return mode
