//! kibertas-rs in a test cluster: its image on the node, and the settings that fit the cluster's add-ons.

use std::path::Path;

use crate::components::NODE_TAINT;
use crate::{Cluster, Result, containers, image};

const REPOSITORY: &str = "kibertas.local/kibertas-rs";

/// Of images that are here to try something: each new one replaces the last.
const TAG_PREFIX: &str = "dev-";

/// The components besides the full profile that checks work with.
pub const ADD_ONS: &[&str] = &["cluster-autoscaler-stand-in", "karpenter", "kwok", "otel-collector", "versitygw"];

impl Cluster {
    /// Packs the program's image and loads it, unless the very same one is there; the name that pods refer to it by.
    ///
    /// Images of earlier builds are removed from the node. `binary` has to be linked statically.
    pub async fn load_harness(&self, binary: &Path) -> Result<String> {
        let image = image::of_harness(binary)?;
        let reference = image.reference(REPOSITORY, TAG_PREFIX);
        let there = containers::images(self.site()).await?;
        if !there.contains(&reference) {
            let folder = tempfile::tempdir().map_err(crate::Error::file("create", "a temporary folder"))?;
            let archive = folder.path().join("image.tar");
            image.write(&reference, &archive)?;
            self.load(&archive).await?;
        }
        let earlier = format!("{REPOSITORY}:{TAG_PREFIX}");
        let stale: Vec<_> = there.iter().filter(|name| name.starts_with(&earlier) && **name != reference).collect();
        containers::remove_images(self.site(), &stale).await?;
        Ok(reference)
    }

    /// The environment in which kibertas-rs finds its image and the add-ons of this cluster.
    ///
    /// Components that are not there have no settings: their checks then say what they miss.
    pub fn harness_environment(&self, image: &str) -> Vec<(&'static str, String)> {
        let mut environment = vec![
            ("KUBECONFIG", self.kubeconfig().display().to_string()),
            ("CLUSTER_NAME", self.site().name().to_owned()),
            ("KIBERTAS_IMAGE", image.to_owned()),
            ("INGRESS_CLASS_NAME", "traefik".to_owned()),
            ("KIBERTAS_INGRESS_ZONE", self.zone()),
            ("KIBERTAS_DNS_SERVERS", self.dns_server().to_string()),
            ("KIBERTAS_ROLLOUTS_TRAFFIC_ROUTER", "traefik".to_owned()),
            ("NODE_LABEL_KEY", "pool".to_owned()),
            ("NODE_LABEL_VALUE", "spot".to_owned()),
            ("KIBERTAS_AUTOSCALER_TOLERATIONS", NODE_TAINT.to_owned()),
        ];
        if self.has("otel-collector") {
            let s3 = self.s3();
            environment.extend([
                ("LOG_BUCKET_NAME", s3.bucket.to_owned()),
                // The exporter's own partitions: s3_partition_format's default, below s3_prefix.
                ("LOG_PATH", "logs/year=%Y/month=%m/day=%d/hour=%H/minute=%M/".to_owned()),
                ("USE_PATH_STYLE", "true".to_owned()),
                ("AWS_ENDPOINT_URL_S3", format!("http://{}", s3.address)),
                ("AWS_REGION", s3.region.to_owned()),
                ("AWS_ACCESS_KEY_ID", s3.access_key.to_owned()),
                ("AWS_SECRET_ACCESS_KEY", s3.secret_key.to_owned()),
            ]);
        }
        environment
    }

    fn has(&self, component: &str) -> bool {
        self.status().is_ok_and(|status| status.components.iter().any(|one| one.name == component))
    }
}
