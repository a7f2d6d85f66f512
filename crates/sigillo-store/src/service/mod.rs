//! Stores in a service: S3 and what speaks like it, and Azure Blob Storage.
//!
//! What "durable" rests on: a service that answers success to a whole request has made the object
//! durable; that is its promise, not ours, and nothing here can test it. What can be tested is
//! tested by the probe, and what was acknowledged is looked at again where it matters.

mod backend;
mod fault;
mod packs;
mod source;
mod spool;
mod wire;

use std::{sync::Arc, time::Duration};

use object_store::{
    ClientOptions, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum, S3ConditionalPut},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
};
use tokio::runtime::Handle;

use self::{
    backend::ServiceBackend,
    packs::{PUT_BYTES_MAX, ServicePackSink},
    wire::{Signing, WireConnector},
};
use crate::{
    ServiceAccess, StoreError,
    url::{ServiceKind, ServicePlace},
};

/// A connection is made within this time, or not.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// The region of whoever names none.
const REGION: &str = "us-east-1";

/// How S3 is reached: each setting, and the variables that say it, the first that is set.
const S3_SETTINGS: [(AmazonS3ConfigKey, &[&str]); 11] = [
    (AmazonS3ConfigKey::AccessKeyId, &["AWS_ACCESS_KEY_ID"]),
    (AmazonS3ConfigKey::SecretAccessKey, &["AWS_SECRET_ACCESS_KEY"]),
    (AmazonS3ConfigKey::Token, &["AWS_SESSION_TOKEN"]),
    (AmazonS3ConfigKey::Endpoint, S3_ENDPOINT),
    (AmazonS3ConfigKey::VirtualHostedStyleRequest, &["AWS_VIRTUAL_HOSTED_STYLE_REQUEST"]),
    (AmazonS3ConfigKey::WebIdentityTokenFile, &["AWS_WEB_IDENTITY_TOKEN_FILE"]),
    (AmazonS3ConfigKey::RoleArn, &["AWS_ROLE_ARN"]),
    (AmazonS3ConfigKey::RoleSessionName, &["AWS_ROLE_SESSION_NAME"]),
    (
        AmazonS3ConfigKey::ContainerCredentialsRelativeUri,
        &["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"],
    ),
    (AmazonS3ConfigKey::ContainerCredentialsFullUri, &["AWS_CONTAINER_CREDENTIALS_FULL_URI"]),
    (
        AmazonS3ConfigKey::ContainerAuthorizationTokenFile,
        &["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"],
    ),
];

const S3_ENDPOINT: &[&str] = &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

/// How Azure is reached, likewise.
const AZURE_SETTINGS: [(AzureConfigKey, &[&str]); 10] = [
    (AzureConfigKey::AccountName, AZURE_ACCOUNT),
    (AzureConfigKey::AccessKey, AZURE_KEY),
    (AzureConfigKey::SasKey, &["AZURE_STORAGE_SAS_TOKEN"]),
    (AzureConfigKey::Token, &["AZURE_STORAGE_TOKEN"]),
    (AzureConfigKey::ClientId, &["AZURE_CLIENT_ID"]),
    (AzureConfigKey::ClientSecret, &["AZURE_CLIENT_SECRET"]),
    (AzureConfigKey::AuthorityId, &["AZURE_TENANT_ID"]),
    (AzureConfigKey::AuthorityHost, &["AZURE_AUTHORITY_HOST"]),
    (AzureConfigKey::FederatedTokenFile, &["AZURE_FEDERATED_TOKEN_FILE"]),
    (AzureConfigKey::Endpoint, AZURE_ENDPOINT),
];

const AZURE_ACCOUNT: &[&str] = &["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"];
const AZURE_KEY: &[&str] =
    &["AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_KEY"];
const AZURE_ENDPOINT: &[&str] = &["AZURE_STORAGE_ENDPOINT"];

/// Opens a part of a bucket or container. Asks the service nothing.
///
/// # Errors
///
/// [`StoreError::Service`] if it is not said how the service is reached, or as whom.
pub(crate) fn open(
    place: &ServicePlace,
    access: &ServiceAccess,
    runtime: Handle,
) -> Result<(Arc<ServiceBackend>, ServicePackSink), StoreError> {
    let backend = match place.kind {
        ServiceKind::S3 => open_s3(place, access),
        ServiceKind::Azure => open_azure(place, access),
    };
    let refused = |what| StoreError::Service { place: place.to_string(), what };
    let backend = Arc::new(backend.map_err(refused)?);
    let put_bytes_max = access.put_bytes_max().unwrap_or(PUT_BYTES_MAX).min(PUT_BYTES_MAX);
    let spool_folder = access.spool_folder().map(ToOwned::to_owned);
    let packs = ServicePackSink::new(Arc::clone(&backend), runtime, spool_folder, put_bytes_max);
    Ok((backend, packs))
}

fn open_s3(place: &ServicePlace, access: &ServiceAccess) -> Result<ServiceBackend, String> {
    let set = |name| access.first_of(&[name]).is_some();
    match (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY")) {
        (true, true) => {}
        (true, false) => return Err("AWS_SECRET_ACCESS_KEY is missing: set it".to_owned()),
        (false, true) => return Err("AWS_ACCESS_KEY_ID is missing: set it".to_owned()),
        (false, false) => {
            let by_role = set("AWS_WEB_IDENTITY_TOKEN_FILE") && set("AWS_ROLE_ARN");
            let by_container = set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
                || (set("AWS_CONTAINER_CREDENTIALS_FULL_URI")
                    && set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
            if !by_role && !by_container {
                let what = "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
                return Err(what.to_owned());
            }
        }
    }
    let region = access.first_of(&["AWS_REGION", "AWS_DEFAULT_REGION"]).unwrap_or(REGION);
    let endpoint = endpoint(access, S3_ENDPOINT)?;
    let connector = WireConnector::default();
    let mut builder = AmazonS3Builder::new();
    for (key, names) in S3_SETTINGS {
        if let Some(value) = access.first_of(names) {
            builder = builder.with_config(key, value);
        }
    }
    let store = builder
        .with_bucket_name(&place.bucket)
        .with_region(region)
        .with_client_options(client_options(endpoint.as_deref()))
        .with_retry(no_retries())
        .with_http_connector(connector.clone())
        .with_checksum_algorithm(Checksum::SHA256)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_disable_bulk_delete(true)
        .build()
        .map_err(|error| error.to_string())?;
    let (region, credentials) = (region.to_owned(), Arc::clone(store.credentials()));
    sign_by(&connector, Signing::S3 { region: region.clone(), credentials });
    let store = Arc::new(store);
    let at = endpoint.unwrap_or_else(|| format!("region {region}"));
    let identity = format!("{place} at {at}");
    let spool = access.spool_folder().map(ToOwned::to_owned);
    Ok(ServiceBackend::new(Arc::clone(&store) as _, store, place.clone(), identity, spool))
}

fn open_azure(place: &ServicePlace, access: &ServiceAccess) -> Result<ServiceBackend, String> {
    let Some(account) = access.first_of(AZURE_ACCOUNT) else {
        return Err("no account: set AZURE_STORAGE_ACCOUNT_NAME".to_owned());
    };
    let set = |name| access.first_of(&[name]).is_some();
    let by_client = set("AZURE_CLIENT_ID")
        && set("AZURE_TENANT_ID")
        && (set("AZURE_CLIENT_SECRET") || set("AZURE_FEDERATED_TOKEN_FILE"));
    let by_token = set("AZURE_STORAGE_SAS_TOKEN") || set("AZURE_STORAGE_TOKEN");
    if access.first_of(AZURE_KEY).is_none() && !by_client && !by_token {
        let what = "no credentials: set AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN, or \
                    AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET";
        return Err(what.to_owned());
    }
    let endpoint = endpoint(access, AZURE_ENDPOINT)?;
    let connector = WireConnector::default();
    let mut builder = MicrosoftAzureBuilder::new();
    for (key, names) in AZURE_SETTINGS {
        if let Some(value) = access.first_of(names) {
            builder = builder.with_config(key, value);
        }
    }
    let store = builder
        .with_container_name(&place.bucket)
        .with_client_options(client_options(endpoint.as_deref()))
        .with_retry(no_retries())
        .with_http_connector(connector.clone())
        .build()
        .map_err(|error| error.to_string())?;
    let credentials = Arc::clone(store.credentials());
    sign_by(&connector, Signing::Azure { account: account.to_owned(), credentials });
    let store = Arc::new(store);
    let at = endpoint.unwrap_or_else(|| format!("account {account}"));
    let identity = format!("{place} at {at}");
    let spool = access.spool_folder().map(ToOwned::to_owned);
    Ok(ServiceBackend::new(Arc::clone(&store) as _, store, place.clone(), identity, spool))
}

/// Returns where the service is, if that is said: an address without anything secret in it.
fn endpoint(access: &ServiceAccess, names: &[&str]) -> Result<Option<String>, String> {
    let Some(text) = access.first_of(names) else { return Ok(None) };
    let name = names[0];
    let url = ::url::Url::parse(text)
        .map_err(|error| format!("{name} is no address ({error}): write https://host:port"))?;
    let plain = url.username().is_empty() && url.password().is_none();
    if !plain || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{name} holds more than an address: write https://host:port"));
    }
    if !["http", "https"].contains(&url.scheme()) {
        return Err(format!("{name} is no address of the web: write https://host:port"));
    }
    Ok(Some(text.trim_end_matches('/').to_owned()))
}

/// Plain HTTP is for servers nearby, and only where the endpoint says so.
fn client_options(endpoint: Option<&str>) -> ClientOptions {
    let plain =
        endpoint.is_some_and(|it| it.get(..5).is_some_and(|s| s.eq_ignore_ascii_case("http:")));
    ClientOptions::new()
        .with_allow_http(plain)
        .with_connect_timeout(CONNECT_LIMIT)
        // Bounded by the backend, according to the number of bytes.
        .with_timeout_disabled()
}

/// The backend alone repeats requests: only it knows which answers leave a doubt behind.
fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, retry_timeout: Duration::ZERO, ..RetryConfig::default() }
}

fn sign_by(connector: &WireConnector, signing: Signing) {
    // The connector was made for this store, which is built once.
    if connector.signing.set(signing).is_err() {
        tracing::error!("a store was built twice");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoreUrl;

    #[track_caller]
    fn check_refused(url: &str, variables: &[(&str, &str)], words: &str) {
        let access = ServiceAccess::from_variables(|name| {
            let found = variables.iter().find(|(other, _)| *other == name)?;
            Some(found.1.to_owned())
        });
        let url = StoreUrl::parse(url).unwrap().with_access(access);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (place, access) = url.service().unwrap();
        let error = open(place, access, runtime.handle().clone()).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn what_is_missing_is_named() {
        check_refused("s3://bucket", &[], "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
        check_refused(
            "s3://bucket",
            &[("AWS_ACCESS_KEY_ID", "x")],
            "AWS_SECRET_ACCESS_KEY is missing",
        );
        check_refused(
            "s3://bucket",
            &[("AWS_SECRET_ACCESS_KEY", "hunter2")],
            "AWS_ACCESS_KEY_ID is",
        );
        check_refused("az://container", &[], "set AZURE_STORAGE_ACCOUNT_NAME");
        let account = ("AZURE_STORAGE_ACCOUNT", "polo");
        check_refused("az://container", &[account], "set AZURE_STORAGE_ACCOUNT_KEY");
        let bad_key = ("AZURE_STORAGE_KEY", "hunter2 is not Base64");
        check_refused("az://container", &[account, bad_key], "az://container");
    }

    #[test]
    fn an_endpoint_is_an_address_and_no_secret() {
        let keys = [("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
        for (endpoint, words) in [
            ("localhost:9000", "no address of the web"),
            ("ftp://host", "no address of the web"),
            ("https://me:hunter2@host", "more than an address"),
            ("https://host/?x=hunter2", "more than an address"),
            ("https://", "is no address"),
        ] {
            let endpoint = ("AWS_ENDPOINT_URL", endpoint);
            check_refused("s3://bucket", &[keys[0], keys[1], endpoint], words);
        }
    }
}
