"""L5: the DMP in establishment mode: TD0.2 existence, TD2.1 feeding, DMP_3.1b search by uniqueId."""

from .answers import RegistryError, RegistryResponse, Ruling, ruling
from .client import DmpClient
from .td02 import Existence
from .td21 import INVISIBLE, MASKED

__all__ = ["INVISIBLE", "MASKED", "DmpClient", "Existence", "RegistryError", "RegistryResponse", "Ruling", "ruling"]
