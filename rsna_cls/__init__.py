"Teach a computer to tell a chest from an abdominal radiograph, and find out how far to believe it."

import sys
import warnings
from types import ModuleType

import lazy_loader

__version__ = "0.2.0"

# fastai 2.8 calls this at import, once per session; no reader of a lesson can do anything about it.
warnings.filterwarnings(
    "ignore", message=".torch.jit.script. is deprecated", category=FutureWarning
)

# A name's module is imported when the name is first used; __init__.pyi says which module that is.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


class _Package(ModuleType):
    """This package, in which a public name never means the module of the same name.

    Python sets `rsna_cls.cam` to the module `cam` whenever anything imports that module, and
    `from rsna_cls import cam` would then no longer be the function. (lazy_loader sees to this
    itself from version 0.6 on; Colab may have an older one.)
    """

    def __setattr__(self, name, value):
        is_own_module = value is sys.modules.get(f"{__name__}.{name}")
        if not (is_own_module and name in __all__):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
