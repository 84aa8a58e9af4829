"""What CDA R2 allows where: for each type of its model, the order and number of children, and the attributes.

Facts of HL7 CDA R2 (POCD_MT000040, data types R1, narrative block) with the French extensions that CI-SIS documents use
(`lab`, `sdtc`, `ps3-20`, `pharm`). What has no type here (most of `sdtc` and `pharm`) is not looked at.

A line is `Type = @attribute… child:Type…`. `?`, `*`, `+` as in a grammar; `(a|b)` a choice; `@a!` a required attribute;
`@a=X,Y` its values, `@a:Name` a set or a pattern of `VALUES`. `R`, `ACT`, `STATEMENT`… are the abbreviations below.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Protocol

from ..reader import V3

_REMEMBERED: Final = 10_000
_is_oid = re.compile(r"[0-2](\.\d{1,20}){3,16}").fullmatch


class Container(Protocol):
    """A set of values, or a pattern that behaves like one."""

    def __contains__(self, value: object, /) -> bool: ...


class _Pattern:
    """OIDs repeat from one document to the next: the right ones are remembered, up to a bound. Nothing else is."""

    def __init__(self, pattern: str) -> None:
        self._matches = re.compile(pattern).fullmatch
        self._right: set[object] = set()

    def __contains__(self, value: object, /) -> bool:
        if value in self._right:
            return True
        if not isinstance(value, str) or self._matches(value) is None:
            return False
        if len(self._right) < _REMEMBERED and _is_oid(value) is not None:
            self._right.add(value)
        return True


class _Words:
    """White-space separated words, each of a set."""

    def __init__(self, words: str) -> None:
        self._words = frozenset(words.split())

    def __contains__(self, value: object, /) -> bool:
        return isinstance(value, str) and self._words.issuperset(value.split())


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_OID_OR_UUID = (
    r"[0-2](\.(0|[1-9][0-9]*))*|[0-9a-zA-Z]{8}-[0-9a-zA-Z]{4}-[0-9a-zA-Z]{4}-[0-9a-zA-Z]{4}-[0-9a-zA-Z]{12}"
    r"|[A-Za-z][A-Za-z0-9\-]*"
)
_NUMBER = r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*"

VALUES: Final[dict[str, Container]] = {
    "bl": frozenset({"true", "false"}),
    "cs": _Pattern(r"\S+"),
    "oid": _Pattern(r"[0-2](\.(0|[1-9][0-9]*))+"),
    "uid": _Pattern(_OID_OR_UUID),
    "ts": _Pattern(r"[0-9]{1,8}|([0-9]{9,14}|[0-9]{14}\.[0-9]+)([+\-][0-9]{1,4})?"),
    "int": _Pattern(r"\s*[+-]?\d+\s*"),
    "real": _Pattern(_NUMBER),
    "NullFlavor": _set("ASKU DER INV MSK NA NASK NAV NI NINF OTH PINF QS TRC UNC UNK"),
    "AddressUse": _Words("BAD CONF DIR H HP HV PHYS PST PUB TMP WP ABC IDE SYL"),
    "TelecomUse": _Words("AS BAD CONF DIR EC H HP HV MC PG PUB TMP WP"),
    "NameUse": _Words("A ABC ASGN C I IDE L OR P PHON R SNDX SRCH SYL"),
    "Qualifier": _Words("AC AD BR CL CON DEV FRM IN INV LS NB PR SCI SP STR TITLE TMK USE VV"),
    "Encoding": frozenset({"B64", "TXT"}),
    "SetOperator": _set("A E H I P"),
    "ActMood": _set("APT ARQ CRT DEF EVN EVN.CRT EXPEC GOL INT OPT PERM PERMRQ PRMS PRP RMD RQO RSK SLOT"),
    "DocumentActMood": _set("APT ARQ DEF EVN INT PRMS PRP RQO RSK"),
    "DocumentEncounterMood": _set("APT ARQ DEF EVN INT PRMS PRP RQO"),
    "DocumentProcedureMood": _set("APT ARQ DEF EVN INT PRMS PRP RQO"),
    "DocumentSubstanceMood": _set("DEF EVN INT PRMS PRP RQO"),
    "ActMoodDocumentObservation": _set("APT ARQ DEF EVN GOL INT PRMS PRP RQO RSK"),
    "ActRelationshipEntryRelationship": _set("CAUS COMP GEVL MFST REFR RSON SAS SPRT SUBJ XCRPT"),
    "ParticipationType": _set(
        "ADM ALY ATND AUT AUTHEN BBY BEN CAGNT CALLBCK CAT CON COV CSM CST DEV DIR DIS DIST DON DST ELOC ENT "
        "ESC EXPAGNT EXPART EXPTRGT EXSRC GUAR HLD IND INF IRCP LA LOC NOT NRD ORG PART PPRF PRCP PRD PRF RCT "
        "RCV RDV REF REFB REFT RESP RML SBJ SPC SPRF TRANS TRC VIA VRF WIT"
    ),
    # All acts, roles, entities: narrower sets exist for some places.
    "ActClass": _set(
        "ACCM ACCT ACSN ACT ACTN ADJUD AEXPOS ALRT BATTERY CACT CASE CATEGORY CDALVLONE CLNTRL CLUSTER CNOD "
        "CNTRCT COMPOSITION CONC COND CONS CONTAINER CONTREG COV CTTEVENT DETPOL DGIMG DIET DISPACT DOC "
        "DOCBODY DOCCLIN DOCSECT EHR ENC EXP EXPOS EXTRACT FCNTRCT FOLDER GEN GROUPER INC INFO INFRM INVE "
        "INVSTG JURISPOL LIST LLD LOC MPROT OBS OBSCOR OBSSER ORGPOL OUTB PCPR PHN POL POLICY POS POSACC "
        "POSCOORD PRN PROC REG REV RLD ROIBND ROIOVL RTRD SBADM SBEXT SCOPOL SEQ SEQVAR SFWL SIT SPCOBS "
        "SPCTRT SPECCOLLECT SPLY STC STDPOL STN STORE SUBST SUP TEXPOS TOPIC TRD TRFR TRNS VERIF XACT"
    ),
    "RoleClass": _set(
        "ACCESS ACTI ACTIB ACTIM ACTIR ACTM ADJV ADJY ADMM ADTV AFFL AGNT ALQT ASSIGNED BASE BIRTHPL BOND "
        "CAREGIVER CASEBJ CHILD CIT CLAIM COLR COMPAR CON CONC CONT CONY COVPTY CRED CRINV CRSPNSR DEATHPLC "
        "DEPEN DSDLOC DST ECON EMP EQUIV EXPAGTCAR EXPR EXPVECTOR FLVR FOMITE GEN GRIC GUAR GUARD HLD "
        "HLTHCHRT IACT IDENT INDIV INGR INST INVSBJ ISDLOC ISLT LIC LOCE MANU MBR MECH MIL MNT NAMED NOK NOT "
        "NURPRAC NURS OWN PA PART PAT PAYEE PAYOR PHYS POLHOLD PROG PROV PRS PRSV QUAL RESBJ RET RGPR ROL "
        "SAME SDLOC SGNOFF SPEC SPNSR STBL STD STOR SUBS SUBSCR SUBY TERR THER UNDWRT USED WRTE"
    ),
    "EntityClass": _set(
        "ANM CER CHEM CITY CONT COUNTRY COUNTY DEV ENT FOOD HCE HOLD LIV MAT MIC MMAT MODDV NAT NLIV ORG PLC "
        "PLNT PROVINCE PSN PUB RGRP STATE"
    ),
}

_ABBREVIATIONS: Final = {
    "R": "realmCode:CS* typeId:TypeId? templateId:II*",
    "ACT": "id:II* code:CD? text:ED?",
    "STATEMENT": "act:Act|encounter:Encounter|observation:Observation|observationMedia:ObservationMedia|"
    "organizer:Organizer|procedure:Procedure|regionOfInterest:RegionOfInterest|"
    "substanceAdministration:SubstanceAdministration|supply:Supply",
    "PARTICIPATIONS": "subject:Subject? specimen:Specimen* performer:Performer2* author:Author* informant:Informant12* "
    "participant:Participant2*",
    "RELATIONSHIPS": "entryRelationship:EntryRelationship* reference:Reference* precondition:Precondition*",
    "LINE": "content:Content|linkHtml:LinkHtml|sub:Plain|sup:Plain|br:Br|footnote:Narrative|footnoteRef:FootnoteRef|"
    "renderMultiMedia:RenderMultiMedia",
    "BLOCK": "paragraph:Paragraph|list:List|table:Table",
    "BOUNDS": "low? center? width? high?",
    "CELL": "@abbr @axis @headers @scope @rowspan @colspan @align @char @charoff @valign",
}

_MODEL: Final = """
Act = @classCode!:ActClass @moodCode!:DocumentActMood @negationInd:bl R id:II* code:CD text:ED? statusCode:CS?
  effectiveTime:IVL_TS? priorityCode:CE? languageCode:CS? PARTICIPATIONS RELATIONSHIPS sdtc:inFulfillmentOf1*
AssignedAuthor = @classCode=ASSIGNED R id:II+ code:CE? addr:AD* telecom:TEL*
  (assignedPerson:Person|assignedAuthoringDevice:AuthoringDevice)? representedOrganization:Organization?
AssignedCustodian = @classCode=ASSIGNED R representedCustodianOrganization:CustodianOrganization
AssignedEntity = @classCode=ASSIGNED R id:II+ code:CE? addr:AD* telecom:TEL* assignedPerson:Person?
  representedOrganization:Organization? sdtc:patient?
AssociatedEntity = @classCode!:RoleClass R id:II* code:CE? addr:AD* telecom:TEL* associatedPerson:Person?
  scopingOrganization:Organization?
Authenticator = @typeCode=AUTHEN R time:TS signatureCode:CS assignedEntity:AssignedEntity sdtc:signatureText?
Author = @typeCode=AUT @contextControlCode=OP R functionCode:CE? time:TS assignedAuthor:AssignedAuthor
AuthoringDevice = @classCode=DEV @determinerCode=INSTANCE R code:CE? manufacturerModelName:SC? softwareName:SC?
  asMaintainedEntity:MaintainedEntity*
Authorization = @typeCode=AUTH R consent:Consent
Birthplace = @classCode=BIRTHPL R place:Place
ClinicalDocument = @classCode=DOCCLIN @moodCode=EVN realmCode:CS* typeId:TypeId templateId:II*
  id:II code:CE title:ST? effectiveTime:TS confidentialityCode:CE languageCode:CS? setId:II? versionNumber:INT?
  copyTime:TS? recordTarget:RecordTarget+ author:Author+ dataEnterer:DataEnterer? informant:Informant12*
  custodian:Custodian informationRecipient:InformationRecipient* legalAuthenticator:LegalAuthenticator?
  authenticator:Authenticator* participant:Participant1* inFulfillmentOf:InFulfillmentOf*
  documentationOf:DocumentationOf* relatedDocument:RelatedDocument* authorization:Authorization*
  componentOf:Component1? component:Component2 sdtc:statusCode?
Component1 = @typeCode=COMP R encompassingEncounter:EncompassingEncounter
Component2 = @typeCode=COMP @contextConductionInd=true R (nonXMLBody:NonXMLBody|structuredBody:StructuredBody)
Component3 = @typeCode=COMP @contextConductionInd=true R section:Section
Component4 = @typeCode=COMP @contextConductionInd=true R sequenceNumber:INT? seperatableInd:BL?
  sdtc:priorityNumber? (STATEMENT)
Component5 = @typeCode=COMP @contextConductionInd=true R section:Section
Consent = @classCode=CONS @moodCode=EVN R id:II* code:CE? statusCode:CS
Consumable = @typeCode=CSM R manufacturedProduct:ManufacturedProduct
Criterion = @classCode:ActClass @moodCode=EVN.CRT R code:CD? text:ED? value:ANY?
Custodian = @typeCode=CST R assignedCustodian:AssignedCustodian
CustodianOrganization = @classCode=ORG @determinerCode=INSTANCE R id:II+ name:ON? telecom:TEL? addr:AD?
DataEnterer = @typeCode=ENT @contextControlCode=OP R time:TS? assignedEntity:AssignedEntity
Device = @classCode:EntityClass @determinerCode=INSTANCE R code:CE? manufacturerModelName:SC? softwareName:SC?
DocumentationOf = @typeCode=DOC R serviceEvent:ServiceEvent
EncompassingEncounter = @classCode=ENC @moodCode=EVN R id:II* code:CE? effectiveTime:IVL_TS
  dischargeDispositionCode:CE? responsibleParty:ResponsibleParty? encounterParticipant:EncounterParticipant*
  location:Location?
Encounter = @classCode!:ActClass @moodCode!:DocumentEncounterMood R ACT statusCode:CS? effectiveTime:IVL_TS?
  sdtc:dischargeDispositionCode? priorityCode:CE? PARTICIPATIONS RELATIONSHIPS sdtc:inFulfillmentOf1*
EncounterParticipant = @typeCode!=ADM,ATND,CON,DIS,REF R time:IVL_TS? assignedEntity:AssignedEntity
Entity = @classCode:EntityClass @determinerCode=INSTANCE R id:II* code:CE? desc:ED?
Entry = @typeCode=COMP,DRIV @contextConductionInd=true R (STATEMENT)
EntryRelationship = @typeCode!:ActRelationshipEntryRelationship @inversionInd:bl @contextConductionInd:bl
  @negationInd:bl R sequenceNumber:INT? seperatableInd:BL? (STATEMENT)
ExternalAct = @classCode:ActClass @moodCode=EVN R ACT
ExternalDocument = @classCode:ActClass @moodCode=EVN R ACT setId:II? versionNumber:INT?
ExternalObservation = @classCode:ActClass @moodCode=EVN R ACT
ExternalProcedure = @classCode=PROC @moodCode=EVN R ACT
Guardian = @classCode=GUARD R id:II* code:CE? addr:AD* telecom:TEL*
  (guardianPerson:Person|guardianOrganization:Organization)
HealthCareFacility = @classCode:RoleClass R id:II* code:CE? location:Place?
  serviceProviderOrganization:Organization?
Informant12 = @typeCode=INF @contextControlCode=OP R (assignedEntity:AssignedEntity|relatedEntity:RelatedEntity)
InformationRecipient = @typeCode=PRCP,TRC R intendedRecipient:IntendedRecipient
InFulfillmentOf = @typeCode=FLFS R order:Order
IntendedRecipient = @classCode=ASSIGNED,HLTHCHRT R id:II* addr:AD* telecom:TEL* informationRecipient:Person?
  receivedOrganization:Organization?
LabeledDrug = @classCode=MMAT @determinerCode=KIND R code:CE? name:EN?
LanguageCommunication = R languageCode:CS? modeCode:CE? proficiencyLevelCode:CE? preferenceInd:BL?
LegalAuthenticator = @typeCode=LA @contextControlCode=OP R time:TS signatureCode:CS sdtc:signatureText?
  assignedEntity:AssignedEntity
Location = @typeCode=LOC R healthCareFacility:HealthCareFacility
MaintainedEntity = @classCode=MNT R effectiveTime:IVL_TS? maintainingPerson:Person
ManufacturedProduct = @classCode=MANU R id:II* (manufacturedLabeledDrug:LabeledDrug|manufacturedMaterial:Material)
  manufacturerOrganization:Organization? pharm:subjectOf1* pharm:subjectOf2* pharm:subjectOf3* pharm:subjectOf4*
  pharm:subjectOf5?
Material = @classCode=MMAT @determinerCode=KIND R code:CE? name:EN? pharm:desc? pharm:riskCode?
  pharm:handlingCode? pharm:formCode? lotNumberText:ST? pharm:expirationTime? pharm:stabilityTime?
  pharm:asDistributedProduct* pharm:asMedicineManufacturer* pharm:asContent? pharm:asSpecializedKind* pharm:part*
  pharm:ingredient*
NonXMLBody = @classCode=DOCBODY @moodCode=EVN R text:ED confidentialityCode:CE? languageCode:CS?
Observation = @classCode!:ActClass @moodCode!:ActMoodDocumentObservation @negationInd:bl R id:II* code:CD
  derivationExpr:ST? text:ED? statusCode:CS? effectiveTime:IVL_TS? priorityCode:CE? repeatNumber:IVL_INT?
  languageCode:CS? value:ANY* interpretationCode:CE* methodCode:CE* targetSiteCode:CD* PARTICIPATIONS
  RELATIONSHIPS referenceRange:ReferenceRange* sdtc:inFulfillmentOf1*
ObservationMedia = @ID @classCode!:ActClass @moodCode!:ActMood R id:II* languageCode:CS? value:ED PARTICIPATIONS
  RELATIONSHIPS
ObservationRange = @classCode:ActClass @moodCode=EVN.CRT R code:CD? text:ED? value:ANY? interpretationCode:CE?
  sdtc:precondition1* lab:precondition:LabPrecondition*
Order = @classCode:ActClass @moodCode=RQO R id:II+ code:CE? priorityCode:CE? ps3-20:accessionNumber:II*
Organization = @classCode=ORG @determinerCode=INSTANCE R id:II* name:ON* telecom:TEL* addr:AD*
  standardIndustryClassCode:CE? asOrganizationPartOf:OrganizationPartOf?
OrganizationPartOf = @classCode=PART R id:II* code:CE? statusCode:CS? effectiveTime:IVL_TS?
  wholeOrganization:Organization?
Organizer = @classCode!=BATTERY,CLUSTER @moodCode!:ActMood R id:II* code:CD? sdtc:text? statusCode:CS
  effectiveTime:IVL_TS? PARTICIPATIONS reference:Reference* precondition:Precondition* component:Component4*
ParentDocument = @classCode=DOCCLIN @moodCode=EVN R id:II+ code:CD? text:ED? setId:II? versionNumber:INT?
Participant1 = @typeCode!:ParticipationType @contextControlCode=OP R functionCode:CE? time:IVL_TS?
  associatedEntity:AssociatedEntity
Participant2 = @typeCode!:ParticipationType @contextControlCode=OP R time:IVL_TS? awarenessCode:CE?
  participantRole:ParticipantRole
ParticipantRole = @classCode:RoleClass R functionCode? id:II* code:CE? addr:AD* telecom:TEL*
  (playingDevice:Device|playingEntity:PlayingEntity)? scopingEntity:Entity?
Patient = @classCode=PSN @determinerCode=INSTANCE R id:II? name:PN* sdtc:desc? administrativeGenderCode:CE?
  birthTime:TS? sdtc:deceasedInd:BL? sdtc:deceasedTime:TS? sdtc:multipleBirthInd:BL?
  sdtc:multipleBirthOrderNumber:INT? maritalStatusCode:CE? religiousAffiliationCode:CE? raceCode:CE?
  sdtc:raceCode* ethnicGroupCode:CE? sdtc:ethnicGroupCode* guardian:Guardian* birthplace:Birthplace?
  languageCommunication:LanguageCommunication*
PatientRole = @classCode=PAT R id:II+ addr:AD* telecom:TEL* patient:Patient? providerOrganization:Organization?
Performer1 = @typeCode!=PRF,SPRF R functionCode:CE? time:IVL_TS? assignedEntity:AssignedEntity
Performer2 = @typeCode=PRF R sdtc:functionCode? time:IVL_TS? modeCode:CE? assignedEntity:AssignedEntity
Person = @classCode=PSN @determinerCode=INSTANCE R name:PN* sdtc:desc? sdtc:asPatientRelationship*
Place = @classCode=PLC @determinerCode=INSTANCE R name:EN? addr:AD?
PlayingEntity = @classCode:EntityClass @determinerCode=INSTANCE R code:CE? quantity:PQ* name:PN* sdtc:birthTime?
  desc:ED?
Precondition = @typeCode=PRCN R criterion:Criterion
Procedure = @classCode!:ActClass @moodCode!:DocumentProcedureMood @negationInd:bl R ACT statusCode:CS?
  effectiveTime:IVL_TS? priorityCode:CE? languageCode:CS? methodCode:CE* approachSiteCode:CD* targetSiteCode:CD*
  PARTICIPATIONS RELATIONSHIPS sdtc:inFulfillmentOf1*
Product = @typeCode=PRD R manufacturedProduct:ManufacturedProduct
RecordTarget = @typeCode=RCT @contextControlCode=OP R patientRole:PatientRole
Reference = @typeCode!=ELNK,REFR,RPLC,SPRT,SUBJ,XCRPT R seperatableInd:BL?
  (externalAct:ExternalAct|externalObservation:ExternalObservation|externalProcedure:ExternalProcedure|externalDocument:ExternalDocument)
ReferenceRange = @typeCode=REFV R observationRange:ObservationRange
RegionOfInterest = @ID @classCode!=ROIOVL @moodCode!=EVN R id:II+ code:CS value:Corner+
  PARTICIPATIONS RELATIONSHIPS
RelatedDocument = @typeCode!=APND,RPLC,XFRM R parentDocument:ParentDocument
RelatedEntity = @classCode!:RoleClass R code:CE? addr:AD* telecom:TEL* effectiveTime:IVL_TS? relatedPerson:Person?
RelatedSubject = @classCode=PAT,PRS R sdtc:id* code:CE? addr:AD* telecom:TEL* subject:SubjectPerson?
ResponsibleParty = @typeCode=RESP R assignedEntity:AssignedEntity
Section = @ID @classCode=DOCSECT @moodCode=EVN R id:II? code:CE? title:ST? text:Narrative?
  confidentialityCode:CE? languageCode:CS? subject:Subject? author:Author* informant:Informant12* entry:Entry*
  component:Component5*
ServiceEvent = @classCode:ActClass @moodCode=EVN R id:II* code:CE? lab:statusCode:LabStatus? effectiveTime:IVL_TS?
  performer:Performer1*
Specimen = @typeCode=SPC R specimenRole:SpecimenRole
SpecimenRole = @classCode=SPEC R id:II* specimenPlayingEntity:PlayingEntity?
StructuredBody = @classCode=DOCBODY @moodCode=EVN R confidentialityCode:CE? languageCode:CS? component:Component3+
Subject = @typeCode=SBJ @contextControlCode=OP R awarenessCode:CE? relatedSubject:RelatedSubject
SubjectPerson = @classCode=PSN @determinerCode=INSTANCE R sdtc:id* name:PN* sdtc:desc?
  administrativeGenderCode:CE? birthTime:TS? sdtc:deceasedInd:BL? sdtc:deceasedTime:TS?
  sdtc:multipleBirthInd:BL? sdtc:multipleBirthOrderNumber:INT? sdtc:raceCode* sdtc:ethnicGroupCode*
SubstanceAdministration = @classCode!=SBADM @moodCode!:DocumentSubstanceMood @negationInd:bl R ACT statusCode:CS?
  effectiveTime:SXCM_TS* priorityCode:CE? repeatNumber:IVL_INT? routeCode:CE? approachSiteCode:CD*
  doseQuantity:IVL_PQ? rateQuantity:IVL_PQ? maxDoseQuantity:RTO_PQ_PQ? administrationUnitCode:CE? subject:Subject?
  specimen:Specimen* consumable:Consumable performer:Performer2* author:Author* informant:Informant12*
  participant:Participant2* RELATIONSHIPS sdtc:inFulfillmentOf1*
Supply = @classCode!=SPLY @moodCode!:DocumentSubstanceMood R ACT statusCode:CS? effectiveTime:SXCM_TS*
  priorityCode:CE* repeatNumber:IVL_INT? independentInd:BL? quantity:PQ? expectedUseTime:IVL_TS? subject:Subject?
  specimen:Specimen* product:Product? performer:Performer2* author:Author* informant:Informant12*
  participant:Participant2* RELATIONSHIPS sdtc:inFulfillmentOf1*

ANY =
TypeId = @root!=2.16.840.1.113883.1.3 @extension!
II = @root:uid @extension @assigningAuthorityName @displayable:bl
CS = @code:cs
CD = @code:cs @codeSystem:oid @codeSystemName @codeSystemVersion @displayName originalText:ED? qualifier:CR*
  translation:CD*
CE = @code:cs @codeSystem:oid @codeSystemName @codeSystemVersion @displayName originalText:ED? translation:CD*
CR = @inverted:bl name:CV? value:CD?
CV = @code:cs @codeSystem:oid @codeSystemName @codeSystemVersion @displayName originalText:ED?
CO = @code:cs @codeSystem:oid @codeSystemName @codeSystemVersion @displayName originalText:ED?
BL = @value:bl
INT = @value:int
REAL = @value:real
ST = @representation:Encoding @mediaType @language
SC = @representation:Encoding @mediaType @language @code:cs @codeSystem:oid @codeSystemName @codeSystemVersion
  @displayName
ED = @representation:Encoding @mediaType @language @compression @integrityCheck @integrityCheckAlgorithm
  reference:TEL? thumbnail:ED?
TEL = @value @use:TelecomUse useablePeriod*
AD = @use:AddressUse @isNotOrdered:bl (delimiter|country|state|county|city|postalCode|streetAddressLine|houseNumber|
  houseNumberNumeric|direction|streetName|streetNameBase|streetNameType|additionalLocator|unitID|unitType|careOf|
  censusTract|deliveryAddressLine|deliveryInstallationType|deliveryInstallationArea|deliveryInstallationQualifier|
  deliveryMode|deliveryModeIdentifier|buildingNumberSuffix|postBox|precinct)* useablePeriod*
EN = @use:NameUse (delimiter|family:NamePart|given:NamePart|prefix:NamePart|suffix:NamePart)* validTime:IVL_TS?
PN = @use:NameUse (delimiter|family:NamePart|given:NamePart|prefix:NamePart|suffix:NamePart)* validTime:IVL_TS?
ON = @use:NameUse (delimiter|prefix:NamePart|suffix:NamePart)* validTime:IVL_TS?
TN = @use:NameUse validTime:IVL_TS?
NamePart = @qualifier:Qualifier @partType @representation @mediaType @language
TS = @value:ts
IVL_TS = @value:ts @operator:SetOperator low:TSBound? center:TS? width:PQ? high:TSBound?
TSBound = @value:ts @inclusive:bl
SXCM_TS = @value:ts @operator:SetOperator
PIVL_TS = @value:ts @operator:SetOperator @alignment @institutionSpecified:bl phase:IVL_TS? period:PQ?
EIVL_TS = @value:ts @operator:SetOperator event? offset:IVL_PQ?
SXPR_TS = @value:ts @operator:SetOperator comp:SXCM_TS+
PIVL_PPD_TS = @value:ts @operator:SetOperator @alignment @institutionSpecified:bl phase? period?
PQ = @value:real @unit:cs translation:PQR*
PQR = @code:cs @codeSystem:oid @codeSystemName @codeSystemVersion @displayName @value:real originalText:ED?
IVL_PQ = @value:real @unit:cs @operator:SetOperator translation:PQR* low:PQBound? center:PQ? width:PQ? high:PQBound?
PQBound = @value:real @unit:cs @inclusive:bl translation:PQR*
IVL_INT = @value:int @operator:SetOperator low:INTBound? center:INT? width:INT? high:INTBound?
INTBound = @value:int @inclusive:bl
IVL_REAL = @value:real @operator:SetOperator low:REALBound? center:REAL? width:REAL? high:REALBound?
REALBound = @value:real @inclusive:bl
RTO_PQ_PQ = numerator:PQ denominator:PQ
RTO = numerator denominator
MO = @value:real @currency:cs
Corner = @value:int @unsorted:bl
"""

_NARRATIVE: Final = """
Narrative = @ID @language @styleCode @mediaType (LINE|BLOCK)*
Content = @ID @language @styleCode @revised=insert,delete (LINE)*
LinkHtml = @ID @language @styleCode @name @href @rel @rev @title (footnote:Narrative|footnoteRef:FootnoteRef)*
Plain =
Br =
FootnoteRef = @ID @language @styleCode @IDREF!
RenderMultiMedia = @ID @language @styleCode @referencedObject! caption:Caption?
Paragraph = @ID @language @styleCode caption:Caption? (LINE)*
List = @ID @language @styleCode @listType=ordered,unordered caption:Caption? item:Item+
Item = @ID @language @styleCode caption:Caption? (LINE|BLOCK)*
Caption = @ID @language @styleCode (linkHtml:LinkHtml|sub:Plain|sup:Plain|footnote:Narrative|footnoteRef:FootnoteRef)*
Table = @ID @language @styleCode @summary @width @border @frame @rules @cellspacing @cellpadding caption:Caption?
  (col|colgroup)* thead:Rows? tfoot:Rows? tbody:Rows+
Rows = @ID @language @styleCode @align @char @charoff @valign tr:Row+
Row = @ID @language @styleCode @align @char @charoff @valign (th:Head|td:Cell)+
Head = @ID @language @styleCode CELL (LINE)*
Cell = @ID @language @styleCode CELL (LINE|BLOCK)*
"""

_LABORATORY: Final = """
LabStatus = @code!=active,completed
LabPrecondition = @typeCode=PRCN lab:criterion:LabCriterion
LabCriterion = @classCode=COND @moodCode=EVN lab:code:LabCode? lab:value:LabValue?
LabCode = @code
LabValue = @value=F,I,M
"""

_PREFIXES: Final = {
    "lab": "{urn:oid:1.3.6.1.4.1.19376.1.3.2}",
    "sdtc": "{urn:hl7-org:sdtc}",
    "ps3-20": "{urn:dicom-org:ps3-20}",
    "pharm": "{urn:ihe:pharm:medication}",
}
XSI: Final = "{http://www.w3.org/2001/XMLSchema-instance}"


@dataclass(slots=True)
class Particle:
    """One of some elements, from least to most times. names: tag → name of its type, empty when it is not looked at."""

    names: dict[str, str]
    least: int
    most: float


@dataclass(slots=True)
class Type:
    """values: attribute → what it may be; required: attributes that must be there."""

    name: str
    particles: list[Particle] = field(default_factory=list)
    values: dict[str, Container | None] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)


_COUNTS: Final[dict[str, tuple[int, float]]] = {"": (1, 1), "?": (0, 1), "*": (0, float("inf")), "+": (1, float("inf"))}
_TOKEN = re.compile(r"@(?P<at>\w+)(?P<must>!?)(?:=(?P<one>[\w.,]+)|:(?P<of>\w+))?|\((?P<any>[^()]*)\)(?P<n>[?*+]?)"
                    r"|(?P<child>[\w:-]+)(?P<m>[?*+]?)")  # fmt: skip
_WORD = re.compile(r"\b[A-Z]+\b(?![:=?*+,])")


def _types(text: str, every: dict[str, Container | None]) -> dict[str, Type]:
    """every: attributes of all of them."""
    found: dict[str, Type] = {}
    for line in re.sub(r"\n  ", " ", text).strip().splitlines():
        if line:
            name, _, content = line.partition(" =")
            found[name] = _type(name, content, every)
    return found


def _type(name: str, content: str, every: dict[str, Container | None]) -> Type:
    content = _WORD.sub(lambda m: _ABBREVIATIONS.get(m[0], m[0]), content)
    made = Type(name, values=dict(every))
    for token in _TOKEN.finditer(content):
        if token["at"]:
            made.values[token["at"]] = frozenset(token["one"].split(",")) if token["one"] else VALUES.get(token["of"])
            if token["must"]:
                made.required.append(token["at"])
        else:
            children = (token["any"] or token["child"]).replace(" ", "").split("|")
            made.particles.append(Particle(dict(map(_child, children)), *_COUNTS[token["n"] or token["m"] or ""]))
    return made


def _child(text: str) -> tuple[str, str]:
    first, _, second = text.partition(":")
    if first in _PREFIXES:
        name, _, kind = second.partition(":")
        return _PREFIXES[first] + name, kind
    return V3 + first, second


TYPES: Final = (
    _types(_MODEL, {"nullFlavor": VALUES["NullFlavor"], f"{XSI}type": None, f"{XSI}schemaLocation": None})
    | _types(_NARRATIVE, {f"{XSI}type": None})
    | _types(_LABORATORY, {})
)
"""Every type, by its name."""
