"""Settings: precedence, origins, secrets, and the wall between test and production."""

from __future__ import annotations

from pathlib import Path

import pytest

from sunes_sdk.errors import ConfigurationError, InsError
from sunes_sdk.model import Ins, InsOid, expected_key
from sunes_sdk.settings import Environment, Settings
from sunes_sdk.testing import samples

TOML = """
environment = "FAKE"
[software]
name = "DPI"
version = "1"
publisher = "P"
instance = "i"
[organization]
name = "CH"
finess_geo = "750803447"
[oids]
documents = "1.2.250.1.1"
submissions = "1.2.250.1.2"
ipp = "1.2.250.1.3"
visits = "1.2.250.1.4"
[insi]
url = "https://localhost/"
idam = "from-toml"
tls = { ca_file = "ca.pem", certificate = "c.pem", key = "c.key" }
[dmp.signing]
pkcs12 = "a.p12"
password = "hunter2"
[dmp]
base_url = "https://localhost/"
source_id = "1.2.3"
device_oid = "1.2.4"
authn_context = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
paths = { repository = "r", registry = "g", patients = "p" }
tls = { ca_file = "ca.pem", certificate = "c.pem", key = "c.key" }
"""


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "sunes.toml"
    path.write_text(TOML)
    return path


def test_arguments_win_over_variables_which_win_over_toml(toml: Path) -> None:
    env = {"SUNES_INSI__IDAM": "from-env", "SUNES_SOFTWARE__VERSION": "2", "SUNES_UNRELATED": "x"}
    s = Settings.load(toml, env=env, software={"version": "3"})
    assert (s.require_insi().idam, s.software.version, s.software.name) == ("from-env", "3", "DPI")
    lines = s.explain().splitlines()
    assert "insi.idam = from-env  (environment SUNES_INSI__IDAM)" in lines
    assert "software.version = 3  (argument)" in lines
    assert f"software.name = DPI  (TOML {toml})" in lines
    assert "insi.timeout_seconds = 30.0  (default)" in lines


def test_secrets_show_nowhere(toml: Path) -> None:
    s = Settings.load(toml, env={}, test_people=["277076322082910"])
    shown = s.explain() + repr(s)
    assert "hunter2" not in shown
    assert "277076322082910" not in shown


@pytest.mark.parametrize("section", ["dmp", "mss", "insi"])
def test_a_missing_section_is_named(section: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        getattr(samples.settings(), f"require_{section}")()
    assert caught.value.code == "SETTING_MISSING"
    assert caught.value.path == section
    assert "never made up" in caught.value.rule


def test_numbers_given_by_the_authorities_are_required(toml: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(toml, env={}).require_dmp()
    assert caught.value.path == "software.dmp_homologation"


def test_a_missing_value_is_named(toml: Path) -> None:
    toml.write_text(TOML.replace('idam = "from-toml"\n', ""))
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(toml, env={})
    assert (caught.value.code, caught.value.path) == ("SETTING_MISSING", "Settings.insi.idam")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read"):
        Settings.load(tmp_path / "none.toml", env={})


def test_the_file_may_be_named_by_a_variable(toml: Path) -> None:
    assert Settings.load(env={"SUNES_CONFIG": str(toml)}).environment is Environment.FAKE


REAL = Ins.of(f"1800175056123{expected_key('1800175056123')}", InsOid.NIR)
PUBLISHED = Ins.of("277076322082910", InsOid.NIR)  # a test person with the OID of real ones
TEST = samples.ins()


@pytest.mark.parametrize(
    ("environment", "ins", "allowed"),
    [
        (Environment.PRODUCTION, REAL, True),
        (Environment.PRODUCTION, TEST, False),
        (Environment.PRODUCTION, PUBLISHED, False),
        (Environment.INTEGRATION, TEST, True),
        (Environment.INTEGRATION, REAL, False),
        (Environment.FAKE, TEST, True),
        (Environment.FAKE, REAL, False),
    ],
)
def test_test_identities_and_production_never_meet(environment: Environment, ins: Ins, allowed: bool) -> None:
    s = samples.settings(environment=environment)
    if allowed:
        s.check_identity(ins)
    else:
        with pytest.raises(InsError) as caught:
            s.check_identity(ins)
        assert caught.value.code == "ENVIRONMENT_IDENTITY"
        assert ins.value not in str(caught.value)


def test_test_people_with_production_oids_pass_outside_production() -> None:
    mine = frozenset({REAL.value})
    for environment in (Environment.FAKE, Environment.INTEGRATION):
        samples.settings(environment=environment, test_people=mine).check_identity(REAL)
    for ins in (REAL, TEST):  # allowed elsewhere, so never in production
        with pytest.raises(InsError, match="ENVIRONMENT_IDENTITY"):
            samples.settings(environment=Environment.PRODUCTION, test_people=mine).check_identity(ins)
