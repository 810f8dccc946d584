"The simulator: a patient of simple solids, a beam, a film; and the truth about every pixel."

import lazy_loader

# A name's module is imported when the name is first used; __init__.pyi says which module that is.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
