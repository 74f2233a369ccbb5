"""What one chapter is about, each a module: `tl.lora`, `tl.probing`, ..."""

from pkgutil import iter_modules

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=[module.name for module in iter_modules(__path__)]
)
