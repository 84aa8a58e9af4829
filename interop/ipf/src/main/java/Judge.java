import jakarta.activation.DataHandler;
import jakarta.mail.util.ByteArrayDataSource;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.apache.camel.ProducerTemplate;
import org.apache.camel.builder.RouteBuilder;
import org.apache.camel.impl.DefaultCamelContext;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;
import org.apache.cxf.BusFactory;
import org.apache.cxf.transport.servlet.CXFNonSpringServlet;
import org.apache.tomcat.util.net.SSLHostConfig;
import org.apache.tomcat.util.net.SSLHostConfigCertificate;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.Association;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.AssociationType;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.Author;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.AvailabilityStatus;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.Code;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.DocumentEntry;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.Hl7v2Based;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.ObjectReference;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.SubmissionSet;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.TimeRange;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.Timestamp;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.Version;
import org.openehealth.ipf.commons.ihe.xds.core.requests.DocumentReference;
import org.openehealth.ipf.commons.ihe.xds.core.requests.ProvideAndRegisterDocumentSet;
import org.openehealth.ipf.commons.ihe.xds.core.requests.QueryRegistry;
import org.openehealth.ipf.commons.ihe.xds.core.requests.RegisterDocumentSet;
import org.openehealth.ipf.commons.ihe.xds.core.requests.RetrieveDocumentSet;
import org.openehealth.ipf.commons.ihe.xds.core.requests.query.FindDocumentsByReferenceIdQuery;
import org.openehealth.ipf.commons.ihe.xds.core.requests.query.FindDocumentsQuery;
import org.openehealth.ipf.commons.ihe.xds.core.requests.query.FindSubmissionSetsQuery;
import org.openehealth.ipf.commons.ihe.xds.core.requests.query.GetDocumentsQuery;
import org.openehealth.ipf.commons.ihe.xds.core.requests.query.QueryList;
import org.openehealth.ipf.commons.ihe.xds.core.requests.query.QueryReturnType;
import org.openehealth.ipf.commons.ihe.xds.core.responses.QueryResponse;
import org.openehealth.ipf.commons.ihe.xds.core.responses.Response;
import org.openehealth.ipf.commons.ihe.xds.core.responses.RetrievedDocument;
import org.openehealth.ipf.commons.ihe.xds.core.responses.RetrievedDocumentSet;
import org.openehealth.ipf.commons.ihe.xds.core.responses.Status;
import org.openehealth.ipf.platform.camel.ihe.xds.XdsCamelValidators;

/**
 * A registry and repository made of IPF: its endpoints read each request, its validators judge it, and what was
 * registered is found and given back as IPF writes it. In memory, on 127.0.0.1, by mutual TLS.
 *
 * Arguments: certificate, key and CA (PEM files), the OID of the repository, an empty folder. Prints `PORT n` when it
 * listens. A line `action port` of its standard input: it calls that port as a client, and prints what it reads in the
 * answer, or has against it. Ends with its standard input.
 */
public final class Judge extends RouteBuilder {
    private record Stored(DocumentEntry entry, byte[] content) {}

    private final List<Stored> documents = new ArrayList<>();
    private final List<SubmissionSet> sets = new ArrayList<>();
    private final String repository;

    private Judge(String repository) {
        this.repository = repository;
    }

    @Override
    public void configure() {
        // Each by the last word of its wsa:Action.
        from("xds-iti41:ProvideAndRegisterDocumentSet-b?audit=false")
            .process(XdsCamelValidators.iti41RequestValidator())
            .process(this::provide)
            .process(XdsCamelValidators.iti41ResponseValidator());
        from("xds-iti18:RegistryStoredQuery?audit=false")
            .process(XdsCamelValidators.iti18RequestValidator())
            .process(this::query)
            .process(XdsCamelValidators.iti18ResponseValidator());
        from("xds-iti43:RetrieveDocumentSet?audit=false")
            .process(XdsCamelValidators.iti43RequestValidator())
            .process(this::retrieve)
            .process(XdsCamelValidators.iti43ResponseValidator());
        from("xds-iti57:UpdateDocumentSet?audit=false")
            .process(XdsCamelValidators.iti57RequestValidator())
            .process(this::update)
            .process(XdsCamelValidators.iti57ResponseValidator());
        judged("xds-iti41", "ProvideAndRegisterDocumentSet-b", XdsCamelValidators.iti41ResponseValidator());
        judged("xds-iti18", "RegistryStoredQuery", XdsCamelValidators.iti18ResponseValidator());
        judged("xds-iti43", "RetrieveDocumentSet", XdsCamelValidators.iti43ResponseValidator());
        judged("xds-iti57", "UpdateDocumentSet", XdsCamelValidators.iti57ResponseValidator());
    }

    /** IPF as the client of a server that answers what another one said. */
    private void judged(String component, String action, Processor validator) {
        from("direct:" + action).toD(component + "://localhost:${header.port}?audit=false").process(validator);
    }

    /** What IPF reads in an answer; throws what it has against it. */
    private static String read(ProducerTemplate client, String action, String port) throws Exception {
        var exchange = client.request("direct:" + action, asked -> {
            asked.getIn().setHeader("port", port);
            asked.getIn().setBody(switch (action) {
                case "RegistryStoredQuery" -> new QueryRegistry(new GetDocumentsQuery());
                case "RetrieveDocumentSet" -> new RetrieveDocumentSet();
                case "UpdateDocumentSet" -> RegisterDocumentSet.builderWith(new SubmissionSet()).build();
                default -> ProvideAndRegisterDocumentSet.builderWith(new SubmissionSet()).build();
            });
        });
        if (exchange.getException() != null) {
            throw exchange.getException();
        }
        Class<? extends Response> kind = switch (action) {
            case "RegistryStoredQuery" -> QueryResponse.class;
            case "RetrieveDocumentSet" -> RetrievedDocumentSet.class;
            default -> Response.class;
        };
        var answer = exchange.getMessage().getMandatoryBody(kind);
        var what = new ArrayList<String>();
        what.add(answer.getStatus().name());
        answer.getErrors().forEach(error -> what.add(error.getSeverity() + ":" + error.getErrorCode().getOpcode()));
        if (answer instanceof QueryResponse found) {
            found.getDocumentEntries().forEach(entry -> what.add(entry.getUniqueId() + ":" + entry.getSize()));
            found.getSubmissionSets().forEach(set -> what.add(set.getUniqueId()));
            found.getReferences().forEach(reference -> what.add(reference.getId()));
        }
        if (answer instanceof RetrievedDocumentSet found) {
            for (var document : found.getDocuments()) {
                var length = document.getDataHandler().getInputStream().readAllBytes().length;
                what.add(document.getRequestData().getDocumentUniqueId() + ":" + length);
            }
        }
        return String.join(" ", what);
    }

    private synchronized void provide(Exchange exchange) throws Exception {
        var request = exchange.getIn().getMandatoryBody(ProvideAndRegisterDocumentSet.class);
        var set = request.getSubmissionSet();
        set.setEntryUuid("urn:uuid:" + UUID.randomUUID());
        set.setAvailabilityStatus(AvailabilityStatus.APPROVED);
        sets.add(set);
        for (var document : request.getDocuments()) {
            var content = document.getDataHandler().getInputStream().readAllBytes();
            var entry = document.getDocumentEntry();
            entry.setEntryUuid("urn:uuid:" + UUID.randomUUID());
            entry.setLogicalUuid(entry.getEntryUuid());
            entry.setVersion(new Version("1"));
            entry.setAvailabilityStatus(AvailabilityStatus.APPROVED);
            entry.setRepositoryUniqueId(repository);
            documents.add(new Stored(entry, content));
        }
        exchange.getMessage().setBody(new Response(Status.SUCCESS));
    }

    private synchronized void update(Exchange exchange) throws Exception {
        var request = exchange.getIn().getMandatoryBody(RegisterDocumentSet.class);
        for (var asked : request.getAssociations()) {
            if (asked.getAssociationType() == AssociationType.UPDATE_AVAILABILITY_STATUS) {
                var stored = one(entry -> entry.getEntryUuid().equals(asked.getTargetUuid())
                    && entry.getAvailabilityStatus() == asked.getOriginalStatus());
                stored.entry().setAvailabilityStatus(asked.getNewStatus());
            }
        }
        for (var entry : request.getDocumentEntries()) {
            var previous = request.getAssociations().stream()
                .filter(association -> entry.getEntryUuid().equals(association.getTargetUuid()))
                .map(Association::getPreviousVersion).findFirst().orElseThrow();
            var stored = one(old -> old.getLogicalUuid().equals(entry.getLogicalUuid())
                && old.getVersion().getVersionName().equals(previous));
            stored.entry().setAvailabilityStatus(AvailabilityStatus.DEPRECATED);
            entry.setEntryUuid("urn:uuid:" + UUID.randomUUID());
            entry.setVersion(new Version(String.valueOf(Integer.parseInt(previous) + 1)));
            entry.setAvailabilityStatus(AvailabilityStatus.APPROVED);
            documents.add(new Stored(entry, stored.content()));
        }
        exchange.getMessage().setBody(new Response(Status.SUCCESS));
    }

    private Stored one(Predicate<DocumentEntry> wanted) {
        return documents.stream().filter(stored -> wanted.test(stored.entry())).findFirst()
            .orElseThrow(() -> new IllegalArgumentException("unknown document"));
    }

    private synchronized void query(Exchange exchange) throws Exception {
        var request = exchange.getIn().getMandatoryBody(QueryRegistry.class);
        var response = new QueryResponse(Status.SUCCESS);
        if (request.getQuery() instanceof FindSubmissionSetsQuery query) {
            response.getSubmissionSets().addAll(sets.stream().filter(set -> found(query, set)).toList());
        }
        var found = documents.stream().map(Stored::entry).filter(entry -> matches(request, entry)).toList();
        if (request.getReturnType() == QueryReturnType.OBJECT_REF) {
            found.forEach(entry -> response.getReferences().add(new ObjectReference(entry.getEntryUuid())));
        } else {
            response.getDocumentEntries().addAll(found);
        }
        exchange.getMessage().setBody(response);
    }

    private static boolean matches(QueryRegistry request, DocumentEntry entry) {
        if (request.getQuery() instanceof GetDocumentsQuery query) {
            return Stream.of(query.getUniqueIds(), query.getUuids()).anyMatch(
                ids -> ids != null && (ids.contains(entry.getUniqueId()) || ids.contains(entry.getEntryUuid())));
        }
        return request.getQuery() instanceof FindDocumentsQuery query && found(query, entry);
    }

    private static boolean found(FindDocumentsQuery query, DocumentEntry entry) {
        return query.getPatientId().equals(entry.getPatientId())
            && query.getStatus().contains(entry.getAvailabilityStatus())
            && one(query.getClassCodes(), entry.getClassCode())
            && one(query.getTypeCodes(), entry.getTypeCode())
            && one(query.getFormatCodes(), entry.getFormatCode())
            && one(query.getPracticeSettingCodes(), entry.getPracticeSettingCode())
            && one(query.getHealthcareFacilityTypeCodes(), entry.getHealthcareFacilityTypeCode())
            && every(query.getEventCodes(), entry.getEventCodeList())
            && every(query.getConfidentialityCodes(), entry.getConfidentialityCodes())
            && within(query.getCreationTime(), entry.getCreationTime())
            && within(query.getServiceStartTime(), entry.getServiceStartTime())
            && within(query.getServiceStopTime(), entry.getServiceStopTime())
            && written(query.getAuthorPersons(), entry.getAuthors())
            && (!(query instanceof FindDocumentsByReferenceIdQuery by) || by.getReferenceIds().getOuterList().stream()
                .allMatch(ids -> entry.getReferenceIdList().stream().map(Hl7v2Based::render).anyMatch(ids::contains)));
    }

    private static boolean found(FindSubmissionSetsQuery query, SubmissionSet set) {
        return query.getPatientId().equals(set.getPatientId())
            && query.getStatus().contains(set.getAvailabilityStatus())
            && one(query.getContentTypeCodes(), set.getContentTypeCode())
            && (query.getSourceIds() == null || query.getSourceIds().contains(set.getSourceId()))
            && within(query.getSubmissionTime(), set.getSubmissionTime())
            && written(query.getAuthorPerson() == null ? null : List.of(query.getAuthorPerson()), set.getAuthors());
    }

    private static boolean one(List<Code> asked, Code code) {
        return asked == null || asked.stream().anyMatch(
            other -> other.getCode().equals(code.getCode()) && other.getSchemeName().equals(code.getSchemeName()));
    }

    private static boolean every(QueryList<Code> asked, List<Code> codes) {
        return asked == null
            || asked.getOuterList().stream().allMatch(any -> codes.stream().anyMatch(code -> one(any, code)));
    }

    private static boolean within(TimeRange asked, Timestamp time) {
        return asked == null || time != null
            && (asked.getFrom() == null || !time.getDateTime().isBefore(asked.getFrom().getDateTime()))
            && (asked.getTo() == null || time.getDateTime().isBefore(asked.getTo().getDateTime()));
    }

    private static boolean written(List<String> patterns, List<Author> authors) {
        return patterns == null || patterns.stream().anyMatch(pattern -> authors.stream().anyMatch(
            author -> Hl7v2Based.render(author.getAuthorPerson())
                .matches(Pattern.quote(pattern).replace("%", "\\E.*\\Q").replace("_", "\\E.\\Q"))));
    }

    private synchronized void retrieve(Exchange exchange) throws Exception {
        var request = exchange.getIn().getMandatoryBody(RetrieveDocumentSet.class);
        var response = new RetrievedDocumentSet(Status.SUCCESS);
        for (DocumentReference asked : request.getDocuments()) {
            var stored = one(entry -> entry.getUniqueId().equals(asked.getDocumentUniqueId())
                && repository.equals(asked.getRepositoryUniqueId()));
            var type = stored.entry().getMimeType();
            var content = new DataHandler(new ByteArrayDataSource(stored.content(), type));
            response.getDocuments().add(new RetrievedDocument(content, asked, null, null, type));
        }
        exchange.getMessage().setBody(response);
    }

    private static KeyStore trusting(String authority) throws Exception {
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (var pem = Files.newInputStream(Path.of(authority))) {
            for (Certificate one : CertificateFactory.getInstance("X.509").generateCertificates(pem)) {
                store.setCertificateEntry("ca-" + store.size(), one);
            }
        }
        return store;
    }

    private static Connector mutualTls(String certificate, String key, String authority) throws Exception {
        var tls = new SSLHostConfig();
        var pair = new SSLHostConfigCertificate(tls, SSLHostConfigCertificate.Type.RSA);
        pair.setCertificateFile(certificate);
        pair.setCertificateKeyFile(key);
        tls.addCertificate(pair);
        tls.setTrustStore(trusting(authority));
        tls.setCertificateVerification("required");
        var connector = new Connector();
        connector.setPort(0);
        connector.setProperty("address", "127.0.0.1");
        connector.setSecure(true);
        connector.setScheme("https");
        connector.setProperty("SSLEnabled", "true");
        connector.addSslHostConfig(tls);
        return connector;
    }

    public static void main(String[] arguments) throws Exception {
        var bus = BusFactory.getDefaultBus();
        var servlet = new CXFNonSpringServlet();
        servlet.setBus(bus);
        var tomcat = new Tomcat();
        tomcat.setBaseDir(arguments[4]);
        tomcat.setConnector(mutualTls(arguments[0], arguments[1], arguments[2]));
        var context = tomcat.addContext("", arguments[4]);
        Tomcat.addServlet(context, "cxf", servlet).setLoadOnStartup(1);
        context.addServletMappingDecoded("/*", "cxf");
        tomcat.start();
        var camel = new DefaultCamelContext();
        camel.addRoutes(new Judge(arguments[3]));
        camel.start();
        System.out.println("PORT " + tomcat.getConnector().getLocalPort());
        System.out.flush();
        var client = camel.createProducerTemplate();
        var orders = new BufferedReader(new InputStreamReader(System.in));
        for (var order = orders.readLine(); order != null; order = orders.readLine()) {
            var words = order.split(" ");
            try {
                System.out.println("READ " + read(client, words[0], words[1]));
            } catch (Exception refusal) {
                System.out.println("REFUSED " + String.valueOf(refusal.getMessage()).replaceAll("\\s+", " "));
            }
        }
        System.exit(0);
    }
}
