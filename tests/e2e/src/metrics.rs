//! What a `/metrics` page says.

/// A page of metrics, as it was read.
pub struct Scrape(String);

impl Scrape {
    /// From the page's text.
    pub fn new(page: impl Into<String>) -> Self {
        Self(page.into())
    }

    /// The sum over all series of this name whose labels have all of `labels`,
    /// each written as `name="value"`.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let series = self.0.lines().filter(|line| {
            let series = line.split(' ').next().unwrap_or_default();
            series.split('{').next() == Some(name)
                && labels.iter().all(|label| series.contains(label))
        });
        series
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_summed_by_name_and_labels() {
        let page = Scrape::new(
            "# TYPE a counter\na_total{k=\"x\",r=\"ok\"} 2\na_total{k=\"y\"} 3\nab_total 9\n",
        );
        assert_eq!(page.sum("a_total", &[]), 5.0);
        assert_eq!(page.sum("a_total", &["k=\"x\""]), 2.0);
    }
}
