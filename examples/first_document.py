from sunes_sdk.cda import DischargeLetter, EntryMode, ExitMode, Issuer, Synthesis
from sunes_sdk.dmp import DmpClient
from sunes_sdk.testing import Fakes, samples

synthesis = Synthesis(entry_mode=EntryMode.EMERGENCY, exit_mode=ExitMode.HOME, medical_summary="Évolution favorable.",
                      mdro_search=False, transfusion=False, blood_derivatives=False)  # fmt: skip
doctor, hospital = samples.physician().at(samples.hospital()), samples.hospital()
letter = DischargeLetter(patient=samples.patient(), author=doctor, custodian=hospital, stay=samples.stay(),
                         reason="Pneumopathie aiguë", synthesis=synthesis, discharge_treatments=())  # fmt: skip

with Fakes() as fakes:  # a fake DMP, INSi and MSSanté operator on this machine, over mutual TLS
    document = letter.render(Issuer.from_settings(fakes.settings))
    document.check().raise_for_errors()
    with DmpClient(fakes.settings, actor=doctor) as dmp:
        print(dmp.submit(document).outcome, [d.type_code for d in fakes.dmp.documents])
