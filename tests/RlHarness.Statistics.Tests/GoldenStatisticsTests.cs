using RlHarness.Core.Randomness;

namespace RlHarness.Statistics.Tests;

[Trait("kind", "arithmetic")]
public sealed class GoldenStatisticsTests
{
    [Fact]
    public void Proportion_intervals() => GoldenFile.Check("proportion_intervals", c =>
        {
            var (x, n, confidence) = (c.L("successes"), c.L("trials"), c.D("confidence"));
            return new()
            {
                ["estimate"] = x / (double)n,
                ["wilson"] = Proportion.Wilson(x, n, confidence),
                ["wilson_cc"] = Proportion.WilsonCorrected(x, n, confidence),
                ["clopper_pearson"] = Proportion.ClopperPearson(x, n, confidence),
                ["agresti_coull"] = Proportion.AgrestiCoull(x, n, confidence),
                ["jeffreys"] = Proportion.Jeffreys(x, n, confidence),
                ["jeffreys_equal_tailed"] = Proportion.JeffreysEqualTailed(x, n, confidence),
            };
        });

    [Fact]
    public void Two_proportions() => GoldenFile.Check("two_proportions", c =>
        {
            var r = TwoProportions.Compare(c.L("successes1"), c.L("trials1"), c.L("successes2"), c.L("trials2"), c.D("confidence"));
            return new()
            {
                ["difference"] = r.Difference,
                ["wald"] = r.Wald,
                ["newcombe"] = r.Newcombe,
                ["newcombe_cc"] = r.NewcombeCorrected,
                ["z_pooled"] = r.Z,
                ["p_pooled"] = r.P,
                ["risk_ratio"] = r.RiskRatio,
                ["risk_ratio_katz"] = r.RiskRatioKatz,
                ["odds_ratio"] = r.OddsRatio,
                ["odds_ratio_woolf"] = r.OddsRatioWoolf,
                ["odds_ratio_haldane"] = r.OddsRatioHaldane,
                ["odds_ratio_haldane_interval"] = r.OddsRatioHaldaneInterval,
            };
        });

    [Fact]
    public void Paired_proportions() => GoldenFile.Check("paired_proportions", c =>
        {
            var r = PairedProportions.Compare(c.L("a"), c.L("b"), c.L("c"), c.L("d"), c.D("confidence"));
            return new()
            {
                ["n"] = r.N,
                ["p1"] = r.P1,
                ["p2"] = r.P2,
                ["difference"] = r.Difference,
                ["standard_error"] = r.StandardError,
                ["mcnemar_exact_p"] = r.McNemarExactP,
                ["mcnemar_midp_p"] = r.McNemarMidP,
                ["mcnemar_chi2"] = r.McNemarChiSquared,
                ["mcnemar_chi2_p"] = r.McNemarChiSquaredP,
                ["mcnemar_chi2_cc"] = r.McNemarCorrected,
                ["mcnemar_chi2_cc_p"] = r.McNemarCorrectedP,
                ["wald"] = r.Wald,
                ["bonett_price"] = r.BonettPrice,
                ["newcombe_method8"] = r.NewcombeMethod8,
                ["newcombe_method10"] = r.NewcombeMethod10,
                ["tango"] = r.Tango,
            };
        });

    [Fact]
    public void Fisher_exact() => GoldenFile.Check("fisher_exact", c =>
        {
            var r = FisherExact.Test(c.L("a"), c.L("b"), c.L("c"), c.L("d"), c.D("confidence"));
            return new()
            {
                ["p_two_sided"] = r.P,
                ["p_less"] = r.PLess,
                ["p_greater"] = r.PGreater,
                ["odds_ratio_sample"] = r.OddsRatio,
                ["odds_ratio_conditional"] = r.ConditionalOddsRatio,
                ["odds_ratio_conditional_interval"] = r.ConditionalInterval,
            };
        });

    [Fact]
    public void Multiple_tests() => GoldenFile.Check("multiple_tests", c =>
        {
            var p = c.Numbers("p_values");
            return new()
            {
                ["bonferroni"] = MultipleTests.Bonferroni(p),
                ["holm"] = MultipleTests.Holm(p),
                ["hochberg"] = MultipleTests.Hochberg(p),
                ["benjamini_hochberg"] = MultipleTests.BenjaminiHochberg(p),
                ["benjamini_yekutieli"] = MultipleTests.BenjaminiYekutieli(p),
            };
        });

    [Fact]
    public void Detector_confusion() => GoldenFile.Check("detector_confusion", c =>
        {
            var (r, confidence) = (Confusion.Of(c.L("tp"), c.L("fp"), c.L("tn"), c.L("fn")), c.D("confidence"));
            return new()
            {
                ["sensitivity"] = r.Sensitivity,
                ["sensitivity_wilson"] = r.SensitivityWilson(confidence),
                ["specificity"] = r.Specificity,
                ["specificity_wilson"] = r.SpecificityWilson(confidence),
                ["precision"] = r.Precision,
                ["precision_wilson"] = r.PrecisionWilson(confidence),
                ["negative_predictive_value"] = r.NegativePredictiveValue,
                ["negative_predictive_value_wilson"] = r.NegativePredictiveValueWilson(confidence),
                ["accuracy"] = r.Accuracy,
                ["balanced_accuracy"] = r.BalancedAccuracy,
                ["f1"] = r.F1,
                ["matthews"] = r.Matthews,
                ["youden_j"] = r.YoudenJ,
                ["likelihood_ratio_positive"] = r.LikelihoodRatioPositive,
                ["likelihood_ratio_negative"] = r.LikelihoodRatioNegative,
            };
        });

    [Fact]
    public void Prevalence_rogan_gladen() => GoldenFile.Check("prevalence_rogan_gladen", c =>
        {
            var r = RoganGladen.Correct(
                c.L("positives"),
                c.L("n"),
                c.L("sensitivity_positives"),
                c.L("sensitivity_n"),
                c.L("specificity_negatives"),
                c.L("specificity_n"),
                c.D("confidence")
            );
            return new()
            {
                ["apparent"] = r.Apparent,
                ["sensitivity"] = r.Sensitivity,
                ["specificity"] = r.Specificity,
                ["prevalence_unclipped"] = r.PrevalenceUnclipped,
                ["prevalence"] = r.Prevalence,
                ["variance_known_detector"] = r.VarianceKnownDetector,
                ["variance"] = r.Variance,
                ["wald_unclipped"] = r.WaldUnclipped,
                ["wald"] = r.Wald,
                ["lang_reiczigel"] = r.LangReiczigel,
            };
        });

    [Fact]
    public void Agreement_of_two_raters() => GoldenFile.Check("agreement_two_raters", c =>
        {
            var table = c.GetProperty("table")
                .EnumerateArray()
                .Select(row => (IReadOnlyList<long>)[.. row.EnumerateArray().Select(x => x.GetInt64())])
                .ToList();
            var confidence = c.D("confidence");
            var r = CohenKappa.Of(table, KappaWeights.None, confidence);
            var results = new Dictionary<string, object?>
            {
                ["n"] = r.N,
                ["percent_agreement"] = r.Agreement,
                ["expected_agreement"] = r.ExpectedAgreement,
                ["pabak"] = CohenKappa.Pabak(r.Agreement, table.Count),
                ["kappa"] = r.Kappa,
                ["se"] = r.StandardError,
                ["se_null"] = r.NullStandardError,
                ["interval"] = r.Interval,
                ["z"] = r.Z,
                ["p"] = r.P,
            };
            foreach (var (name, weights) in new[] { ("linear", KappaWeights.Linear), ("quadratic", KappaWeights.Quadratic) })
            {
                var w = CohenKappa.Of(table, weights, confidence);
                (results[name + "_kappa"], results[name + "_se"], results[name + "_se_null"]) = (w.Kappa, w.StandardError, w.NullStandardError);
                (results[name + "_interval"], results[name + "_z"], results[name + "_p"]) = (w.Interval, w.Z, w.P);
            }

            return results;
        });

    [Fact]
    public void Power_of_two_proportions() => GoldenFile.Check("power_two_proportions", c =>
        {
            var (p1, p2, n, alpha, power) = (c.D("p1"), c.D("p2"), c.D("n"), c.D("alpha"), c.D("power"));
            return new()
            {
                ["cohens_h"] = Power.CohensH(p1, p2),
                ["difference"] = p1 - p2,
                ["power_normal"] = Power.TwoProportions(p1, p2, n, alpha),
                ["power_normal_both_tails"] = Power.TwoProportions(p1, p2, n, alpha, bothTails: true),
                ["power_h"] = Power.Arcsine(p1, p2, n, alpha),
                ["power_h_both_tails"] = Power.Arcsine(p1, p2, n, alpha, bothTails: true),
                ["n_normal"] = Power.TwoProportionsSize(p1, p2, power, alpha),
                ["n_normal_ceiling"] = Power.Ceiling(Power.TwoProportionsSize(p1, p2, power, alpha)),
                ["n_unpooled"] = Power.TwoProportionsSizeUnpooled(p1, p2, power, alpha),
                ["n_continuity_corrected"] = Power.TwoProportionsSizeCorrected(p1, p2, power, alpha),
                ["n_h"] = Power.ArcsineSize(p1, p2, power, alpha),
                ["n_h_ceiling"] = Power.Ceiling(Power.ArcsineSize(p1, p2, power, alpha)),
                ["detectable_p2_above"] = Power.DetectableAbove(p1, n, power, alpha),
            };
        });

    [Fact]
    public void Power_of_mcnemar() => GoldenFile.Check("power_mcnemar", c =>
        {
            var (p10, p01, n, alpha, power) = (c.D("p10"), c.D("p01"), c.D("n"), c.D("alpha"), c.D("power"));
            return new()
            {
                ["discordant"] = p10 + p01,
                ["difference"] = p10 - p01,
                ["power_connor"] = Power.McNemar(p10, p01, n, alpha),
                ["power_connor_both_tails"] = Power.McNemar(p10, p01, n, alpha, bothTails: true),
                ["power_miettinen"] = Power.McNemarMiettinen(p10, p01, n, alpha),
                ["n_connor"] = Power.McNemarSize(p10, p01, power, alpha),
                ["n_connor_ceiling"] = Power.Ceiling(Power.McNemarSize(p10, p01, power, alpha)),
                ["n_miettinen"] = Power.McNemarSizeMiettinen(p10, p01, power, alpha),
                ["n_miettinen_ceiling"] = Power.Ceiling(Power.McNemarSizeMiettinen(p10, p01, power, alpha)),
                ["detectable_difference"] = Power.McNemarDetectable(p10 + p01, n, power, alpha),
            };
        });

    [Fact]
    public void Clustered_mean() => GoldenFile.Check("clustered_mean", c =>
        {
            var (r, confidence) = (ClusteredMean.Of(c.Numbers("values"), c.Integers("clusters")), c.D("confidence"));
            return new()
            {
                ["n"] = r.N,
                ["clusters"] = r.Clusters,
                ["mean"] = r.Mean,
                ["se_naive"] = r.NaiveError,
                ["se_cr0"] = r.Cr0,
                ["se_cr1"] = r.Cr1,
                ["se_miller"] = r.MillerError,
                ["interval_miller_normal"] = r.MillerNormal(confidence),
                ["interval_cr1_normal"] = r.Cr1Normal(confidence),
                ["interval_cr1_t"] = r.Cr1T(confidence),
                ["design_effect"] = r.DesignEffect,
                ["icc"] = r.Icc,
            };
        });

    [Fact]
    public void Clustered_difference() => GoldenFile.Check("clustered_difference", c =>
        {
            var (r, confidence) = (ClusteredDifference.Of(c.Numbers("values"), c.Integers("tiers"), c.Integers("clusters")), c.D("confidence"));
            return new()
            {
                ["n"] = r.N,
                ["clusters"] = r.Clusters,
                ["mean_tier1"] = r.Mean1,
                ["mean_tier0"] = r.Mean0,
                ["difference"] = r.Difference,
                ["se_unpaired"] = r.UnpairedError,
                ["se_cr0"] = r.Cr0,
                ["se_cr1"] = r.Cr1,
                ["interval_cr1_normal"] = r.Cr1Normal(confidence),
                ["interval_cr1_t"] = r.Cr1T(confidence),
                ["query_pairs"] = r.QueryPairs,
                ["query_difference"] = r.QueryDifference,
                ["query_se"] = r.QueryError,
                ["query_interval_t"] = r.QueryT(confidence),
                ["query_interval_normal"] = r.QueryNormal(confidence),
            };
        });

    private static ClusterStatistic Statistic(string name) =>
        name switch
        {
            "mean" => ClusterStatistic.Mean,
            "mean_of_cluster_means" => ClusterStatistic.MeanOfClusterMeans,
            "difference" => ClusterStatistic.Difference,
            _ => ClusterStatistic.Ratio,
        };

    [Fact]
    public void Cluster_bootstrap() => GoldenFile.CheckSimulated("cluster_bootstrap", c =>
        {
            var tiers = c.GetProperty("tiers").ValueKind == System.Text.Json.JsonValueKind.Null ? null : c.Integers("tiers");
            var r = ClusterBootstrap.Of(
                Statistic(c.GetProperty("statistic").GetString()!),
                c.Numbers("values"),
                c.Integers("clusters"),
                tiers,
                new Seeds(3).For("bootstrap"),
                c.D("confidence"),
                resamples: 100_000
            );
            return new()
            {
                ["percentile"] = r.Percentile,
                ["bca"] = r.Bca,
                ["estimate"] = r.Estimate,
                ["acceleration"] = r.Acceleration,
            };
        });
}
