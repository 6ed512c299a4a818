using System.Globalization;
using RlHarness.Core.Randomness;
using RlHarness.Statistics.Simulation;

namespace RlHarness.Statistics.Studies;

/// <summary>Detectors against labels, agreement of raters, and rates corrected for a detector's errors.</summary>
internal static class DetectorStudies
{
    public static IEnumerable<SyntheticStudy> All()
    {
        yield return Auroc();
        yield return OperatingPoint(40, 160, 0.05);
        yield return OperatingPoint(100, 300, 0.01);
        yield return TwoDetectors();
        yield return Kappa();
        yield return KappaNull();
        yield return RoganGladenOf();
        yield return Powered(200, 1000, 0.8, 0.95);
        yield return Powered(60, 150, 0.95, 0.99);
        yield return High(0.9);
        yield return High(0.95);
        yield return High(1);
        yield return Bias();
        yield return Drift();
    }

    /// <summary>Normal scores, positives higher by 1.4: AUROC Φ(1.4/√2) = 0.839.</summary>
    private static (int[] Labels, double[] Scores) Scored(RandomStream random, int positives, int negatives) =>
        (
            [.. Enumerable.Range(0, positives + negatives).Select(i => i < positives ? 1 : 0)],
            [.. Enumerable.Range(0, positives + negatives).Select(i => random.NextGaussian() + (i < positives ? 1.4 : 0))]
        );

    private static SyntheticStudy Auroc() =>
        new(
            "auroc",
            "40 positives and 160 negatives, true AUROC 0.839",
            [
                Measure.Coverage("AUROC: DeLong on the logit scale (used)"),
                Measure.Coverage("AUROC: DeLong", "symmetric, where the estimate is skewed: why the logit scale is used"),
                Measure.Coverage("AUROC: stratified bootstrap, percentile", "as DeLong's, and 40 positives are few to draw from"),
            ],
            random =>
            {
                var truth = Normal.Cdf(1.4 / Math.Sqrt(2));
                var (labels, scores) = Scored(random, 40, 160);
                var roc = RocCurve.Of(labels, scores);
                return
                [
                    Draws.Covers(roc.PrintedInterval(), truth),
                    Draws.Covers(roc.DeLongInterval(), truth),
                    Draws.Covers(Bootstrap(scores, 40, random, 400), truth),
                ];
            }
        );

    private static SyntheticStudy OperatingPoint(int positives, int negatives, double limit) =>
        new(
            $"operating_point/{limit}",
            string.Create(
                CultureInfo.InvariantCulture,
                $"{positives} positives and {negatives} negatives, true AUROC 0.839, sensitivity where {100 * limit:0.#} % of all negatives are flagged"
            ),
            [
                Measure.Coverage(
                    "sensitivity at a false-positive rate: Wilson and the threshold's order statistics (used)",
                    "two intervals of 95 % in quadrature, one of them of an integer"
                ),
                Measure.Coverage(
                    "sensitivity at a false-positive rate: Wilson, threshold as given",
                    "wrong on purpose: the threshold comes from these negatives, and its error is left out"
                ),
            ],
            random =>
            {
                var truth = Normal.Cdf(1.4 - Normal.UpperQuantile(limit));
                var (labels, scores) = Scored(random, positives, negatives);
                var roc = RocCurve.Of(labels, scores);
                var caught = (long)Math.Round(roc.TprAtFpr(limit).Rate * positives);
                return [Draws.Covers(roc.TprAtFprInterval(limit), truth), Draws.Covers(Proportion.Wilson(caught, positives), truth)];
            }
        );

    /// <summary>Positives and negatives are drawn anew, each from its own; AUROC of a draw is the mean of pairwise comparisons, by counting.</summary>
    private static Interval Bootstrap(double[] scores, int positives, RandomStream random, int resamples)
    {
        var order = Enumerable.Range(0, scores.Length).OrderBy(i => scores[i]).ToArray();
        var rank = new int[scores.Length];
        for (var r = 0; r < order.Length; r++)
            rank[order[r]] = r;
        var draws = new double[resamples];
        for (var b = 0; b < resamples; b++)
        {
            var (up, down) = (new int[scores.Length], new int[scores.Length]);
            for (var i = 0; i < positives; i++)
                up[rank[random.NextInt(positives)]]++;
            for (var i = positives; i < scores.Length; i++)
                down[rank[positives + random.NextInt(scores.Length - positives)]]++;
            double below = 0,
                wins = 0;
            for (var r = 0; r < scores.Length; r++)
            {
                wins += up[r] * (below + (0.5 * down[r]));
                below += down[r];
            }

            draws[b] = wins / positives / (scores.Length - positives);
        }

        Array.Sort(draws);
        return new(Quantiles.Type7(draws, 0.025), Quantiles.Type7(draws, 0.975));
    }

    private static SyntheticStudy TwoDetectors() =>
        new(
            "auroc/null",
            "two detectors alike, scores correlated by 0.5, 40 positives and 160 negatives",
            [Measure.Size("difference of AUROCs: DeLong")],
            random =>
            {
                var (labels, shared) = Scored(random, 40, 160);
                double[] One() => [.. labels.Zip(shared, (l, s) => (l * 1.4) + (Math.Sqrt(0.5) * (s - (l * 1.4))) + (Math.Sqrt(0.5) * random.NextGaussian()))];
                return [Draws.Rejects(DeLongTest.Compare(labels, One(), One()).P)];
            }
        );

    private static IReadOnlyList<IReadOnlyList<long>> Table(int[] c) =>
        [
            [c[0], c[1]],
            [c[2], c[3]],
        ];

    private static SyntheticStudy Kappa()
    {
        // pe = 0.3·0.25 + 0.7·0.75 = 0.6, po = 0.85: κ = 0.625.
        return new("kappa", "two raters of 150 transcripts, true κ 0.625", [Measure.Coverage("Cohen's κ")], random =>
            [Draws.Covers(CohenKappa.Of(Table(random.Multinomial(150, 0.2, 0.1, 0.05, 0.65))).Interval, 0.625)]
        );
    }

    private static SyntheticStudy KappaNull() =>
        new("kappa/null", "two raters of 150 transcripts who guess, 30 and 25 % positive", [Measure.Size("Cohen's κ, z")], random =>
            [Draws.Rejects(CohenKappa.Of(Table(random.Multinomial(150, 0.075, 0.225, 0.175, 0.525))).P)]
        );

    private static SyntheticStudy RoganGladenOf() =>
        new(
            "prevalence/rogan_gladen",
            "400 responses, true rate 12 %; sensitivity 80 % known from 60 positives, specificity 95 % from 140 negatives",
            [Measure.Coverage("Rogan–Gladen: Lang–Reiczigel (used)"), Measure.Coverage("Rogan–Gladen: delta method")],
            random =>
            {
                const double truth = 0.12;
                var r = RoganGladen.Correct(
                    random.Binomial(400, (truth * 0.8) + ((1 - truth) * 0.05)),
                    400,
                    random.Binomial(60, 0.8),
                    60,
                    random.Binomial(140, 0.95),
                    140
                );
                return [Draws.Covers(r.LangReiczigel, truth), Draws.Covers(r.Wald, truth)];
            }
        );

    /// <summary>Labelled and unlabelled responses: truth with probability <paramref name="rate"/>, called by a detector with these errors.</summary>
    private static (double[] Labels, double[] Calls) Called(RandomStream random, int n, double rate, double sensitivity, double specificity)
    {
        var (labels, calls) = (new double[n], new double[n]);
        for (var i = 0; i < n; i++)
        {
            labels[i] = random.NextBool(rate) ? 1 : 0;
            calls[i] = random.NextBool(labels[i] == 1 ? sensitivity : 1 - specificity) ? 1 : 0;
        }

        return (labels, calls);
    }

    private static SyntheticStudy Powered(int labelled, int unlabelled, double sensitivity, double specificity)
    {
        const double truth = 0.12;
        var small =
            labelled < 100
                ? "a detector with no error among few labels seems to have none: the rectifier's variance is estimated as 0 (why the harness "
                    + "uses the interval below)"
                : null;
        return new(
            $"prevalence/ppi/{labelled}",
            $"{labelled} labelled and {unlabelled} unlabelled responses, true rate 12 %, sensitivity {100 * sensitivity} %, specificity {100 * specificity} %",
            [
                Measure.Coverage("prediction-powered: PPI, normal", small),
                Measure.Coverage("prediction-powered: PPI++, normal", small ?? "λ is estimated from the same labels, and the interval is symmetric"),
                Measure.Coverage(
                    "prediction-powered rate: Wilson and Tango by MOVER",
                    labelled < 100 ? "keeps room for errors that no label has shown yet" : null
                ),
                Measure.Coverage(
                    "the same, with the calls of labelled responses too (used)",
                    "its parts are taken as independent, and their covariance is below 0"
                        + (labelled < 100 ? "; keeps room for errors that no label has shown yet" : "")
                ),
                Measure.Coverage("labels alone, normal", "Wald's interval of a small rate: too short and too symmetric"),
            ],
            random =>
            {
                var (labels, calls) = Called(random, labelled, truth, sensitivity, specificity);
                var (_, rest) = Called(random, unlabelled, truth, sensitivity, specificity);
                var ppi = PredictionPowered.Mean(labels, calls, rest);
                int fn = labels.Zip(calls).Count(p => p is (1, 0)),
                    fp = labels.Zip(calls).Count(p => p is (0, 1));
                var rate = PredictionPoweredRate.Of(fn, fp, labelled, (long)rest.Sum(), unlabelled);
                var all = PredictionPoweredRate.Of(fn, fp, labelled, (long)(rest.Sum() + calls.Sum()), labelled + unlabelled);
                return
                [
                    Draws.Covers(ppi.PpiInterval(), truth),
                    Draws.Covers(ppi.PpiPlusInterval(), truth),
                    Draws.Covers(rate.Interval, truth),
                    Draws.Covers(all.Interval, truth),
                    Draws.Covers(ppi.ClassicalInterval(), truth),
                ];
            }
        );
    }

    /// <summary>Corrected rates near the edge of their range, as after RL: what an interval that is cut there still covers.</summary>
    private static SyntheticStudy High(double truth)
    {
        const double se = 0.9,
            sp = 0.95;
        const string Edge = "the truth is at or near the edge of the range, where the interval is cut";
        return new(
            string.Create(System.Globalization.CultureInfo.InvariantCulture, $"prevalence/high/{truth}"),
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"200 responses, 50 of them labelled, true rate {100 * truth} %, sensitivity 90 % and specificity 95 %, for Rogan–Gladen known "
                    + $"from 60 positives and 40 negatives"
            ),
            [
                Measure.Coverage("Rogan–Gladen: Lang–Reiczigel, not given where it has no width (used)", Edge),
                Measure.Coverage("prediction-powered rate, with the calls of labelled responses too, not given where it has no width (used)", Edge),
            ],
            random =>
            {
                var (labels, calls) = Called(random, 50, truth, se, sp);
                var (_, rest) = Called(random, 150, truth, se, sp);
                int fn = labels.Zip(calls).Count(p => p is (1, 0)),
                    fp = labels.Zip(calls).Count(p => p is (0, 1));
                var corrected = RoganGladen.Correct((long)rest.Sum(), 150, random.Binomial(60, se), 60, random.Binomial(40, sp), 40);
                var powered = PredictionPoweredRate.Of(fn, fp, 50, (long)(rest.Sum() + calls.Sum()), 200);
                return [Draws.Covers(corrected.PrintedInterval, truth), Draws.Covers(powered.PrintedInterval, truth)];
            }
        );
    }

    private static SyntheticStudy Bias()
    {
        const double truth = 0.12,
            se = 0.7,
            sp = 0.9;
        return new(
            "prevalence/bias",
            "100 labelled and 300 unlabelled responses, true rate 12 %, sensitivity 70 %, specificity 90 %",
            [
                new(
                    SimulationKind.Mean,
                    "raw rate of the detector",
                    truth,
                    (truth * se) + ((1 - truth) * (1 - sp)),
                    0.01,
                    "wrong on purpose: what is corrected is this bias"
                ),
                new(SimulationKind.Mean, "prediction-powered rate, from all calls", truth, truth),
                new(SimulationKind.Mean, "Rogan–Gladen rate, errors from the same 100 labels", truth, Tolerance: 0.01),
            ],
            random =>
            {
                var (labels, calls) = Called(random, 100, truth, se, sp);
                var (_, rest) = Called(random, 300, truth, se, sp);
                int tp = labels.Zip(calls).Count(p => p is (1, 1)),
                    fn = labels.Zip(calls).Count(p => p is (1, 0)),
                    fp = labels.Zip(calls).Count(p => p is (0, 1)),
                    tn = 100 - tp - fn - fp;
                var corrected =
                    tp + fn == 0 || tn + fp == 0 || ((double)tp / (tp + fn)) + ((double)tn / (tn + fp)) - 1 < 0.05
                        ? double.NaN
                        : RoganGladen.Correct((long)rest.Sum(), 300, tp, tp + fn, tn, tn + fp).PrevalenceUnclipped;
                return [rest.Average(), PredictionPoweredRate.Of(fn, fp, 100, (long)(rest.Sum() + calls.Sum()), 400).Unclipped, corrected];
            }
        );
    }

    private static SyntheticStudy Drift() =>
        new(
            "drift/null",
            "sensitivity 80 % at both checkpoints, 30 and 40 positives labelled",
            [Measure.Size("drift of a detector: Fisher's exact test", "exact and discrete: below its level, so a warning is rarely false")],
            random =>
            {
                int a = random.Binomial(30, 0.8),
                    c = random.Binomial(40, 0.8);
                return [Draws.Rejects(FisherExact.TwoSided(a, 30 - a, c, 40 - c))];
            }
        );
}
