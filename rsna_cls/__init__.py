"Teach a computer to tell a chest from an abdominal radiograph, and find out how far to believe it."

import lazy_loader

__version__ = "0.1.0"

# A name's module is imported when the name is first used; __init__.pyi lists them.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
