using RlHarness.Core.Randomness;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Tests.Detectors;

[Trait("kind", "arithmetic")]
public sealed class RevalidationTests
{
    /// <summary>
    /// One evaluation of 200 queries a tier whose truth is known, with a detector of sensitivity 60 % and specificity 92 %; 60 queries a tier are
    /// labelled.
    /// </summary>
    private static (List<ValidatedLabel> Rows, double TrueTraining) Evaluation(Seeds seeds, double rate)
    {
        var random = seeds.For("truth");
        var sample = Revalidation.Sample(Enumerable.Range(0, 200).Select(q => $"q{q}"), 60, seeds, 0);
        var rows = new List<ValidatedLabel>();
        var faking = 0;
        foreach (var tier in Enum.GetValues<Tier>())
        {
            for (var q = 0; q < 200; q++)
            {
                var truth = random.NextBool(tier == Tier.Training ? rate : 0.1);
                if (tier == Tier.Training && truth)
                    faking++;
                var said = random.NextBool(truth ? 0.6 : 0.08);
                rows.Add(new($"q{q}", tier, said, said ? 1 : 0, sample.Contains(($"q{q}", tier)) ? truth : null));
            }
        }

        return (rows, faking / 200.0);
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(0.12)]
    public void Over_many_runs_corrected_rates_lie_within_one_point_of_the_truth_and_the_raw_rate_does_not(double rate)
    {
        double raw = 0,
            truth = 0,
            powered = 0,
            corrected = 0,
            inside = 0;
        const int runs = 600;
        for (var i = 0; i < runs; i++)
        {
            var (rows, real) = Evaluation(new Seeds((ulong)i), rate);
            var result = Revalidation.Of(rows);
            raw += rows.Where(r => r.Tier == Tier.Training).Average(r => r.Said ? 1.0 : 0) / runs;
            truth += real / runs;
            powered += result.PredictionPowered[Tier.Training].Value / runs;
            corrected += result.RoganGladen[Tier.Training].Value / runs;
            var interval = result.PredictionPowered[Tier.Training];
            if (interval.Low <= rate && rate <= interval.High)
                inside++;
        }

        // Raw: 0.6 π + 0.08 (1 − π), which is 34 % for 50 % and 14.2 % for 12 %.
        Assert.Equal((0.6 * rate) + (0.08 * (1 - rate)), raw, 0.005);
        Assert.True(Math.Abs(raw - truth) > 0.02, $"raw {raw}, truth {truth}");
        Assert.True(Math.Abs(powered - truth) < 0.01, $"prediction-powered {powered}, truth {truth}");
        Assert.True(Math.Abs(corrected - truth) < 0.01, $"Rogan–Gladen {corrected}, truth {truth}");
        Assert.InRange(inside / runs, 0.93, 0.99);
    }

    [Fact]
    public void A_corrected_rate_beyond_its_range_is_cut_with_a_note_or_not_given()
    {
        // shared/faults/NEW-02: 19 of 20 are called, and of 8 labelled ones 1 is a miss: 19/20 + 1/8 = 1.075.
        var rows = Enumerable
            .Range(0, 20)
            .Select(i => new ValidatedLabel($"q{i}", Tier.Training, Said: i != 0, Score: i == 0 ? 0 : 1, Truth: i < 8 ? true : null))
            .ToArray();
        var result = Revalidation.Of(rows);
        var rate = result.PredictionPowered[Tier.Training];
        Assert.Equal(1, rate.Value);
        Assert.InRange(rate.Low, 0, 0.999);
        Assert.Equal(1.075, result.Uncut[(Revalidation.PredictionPoweredName, Tier.Training)], 1e-12);
        Assert.Empty(result.RoganGladen); // no negatives
    }

    [Fact]
    public void Two_rows_give_no_AUROC_no_kappa_and_no_interval_without_width()
    {
        var two = DetectorScore.Of([(true, true, 0.9), (false, false, 0.1)]);
        Assert.True(double.IsNaN(two.Auroc) && double.IsNaN(two.Kappa));
        Assert.Equal(2, two.Figures().Single(f => f.Name == "kappa").Estimate.N);
        var agreed = DetectorScore.Of([.. Enumerable.Range(0, 10).Select(i => (i < 5, i < 5, i < 5 ? 0.9 : 0.1))]);
        Assert.Equal((1.0, 1.0), (agreed.Kappa, agreed.Auroc));
        Assert.True(double.IsNaN(agreed.KappaInterval.Low));
        Assert.True(agreed.AurocInterval.High > agreed.AurocInterval.Low);
        Assert.InRange(DetectorScore.Of([.. Enumerable.Range(0, 100).Select(i => (i < 6, i is < 5, i / 100.0))]).KappaInterval.High, 0, 1);
    }

    [Fact]
    public void A_correction_by_hand()
    {
        // Sample: 8 faking of which 6 are found, 32 not of which 4 are called faking. Outside: 30 of 100 are called. Sensitivity 3/4, specificity 7/8:
        // Rogan–Gladen (0.3 + 0.875 − 1)/(0.75 + 0.875 − 1) = 0.28; prediction-powered, from all 140 calls, 40/140 + (2 − 4)/40 = 0.2357….
        List<ValidatedLabel> rows = [];
        void Add(int count, bool said, bool? truth)
        {
            for (var i = 0; i < count; i++)
                rows.Add(new($"q{rows.Count}", Tier.Training, said, said ? 0.9 : 0.1, truth));
        }

        Add(6, true, true);
        Add(2, false, true);
        Add(4, true, false);
        Add(28, false, false);
        Add(30, true, null);
        Add(70, false, null);
        var result = Revalidation.Of(rows);
        Assert.Equal(0.75, result.Score!.Confusion.Sensitivity, 12);
        Assert.Equal(0.28, result.RoganGladen[Tier.Training].Value, 12);
        Assert.Equal((2 / 7.0) - 0.05, result.PredictionPowered[Tier.Training].Value, 12);
        Assert.Equal((100, 140), (result.RoganGladen[Tier.Training].N, result.PredictionPowered[Tier.Training].N));
        // AUROC of two scores: ½ (sensitivity + specificity) = 0.8125.
        Assert.Equal(0.8125, result.Score.Auroc, 12);
    }

    [Fact]
    public void A_detector_that_errs_nowhere_gives_the_rate_of_just_these_responses_whichever_were_labelled()
    {
        for (var sampled = 1; sampled < 7; sampled++)
        {
            // 3 of 10 fake: by the responses outside the sample alone it would be 3/7 where the sample has none of the three.
            List<ValidatedLabel> rows =
            [
                .. Enumerable.Range(0, 10).Select(i => new ValidatedLabel($"q{i}", Tier.Training, i >= 7, i >= 7 ? 1 : 0, i < sampled ? i >= 7 : null)),
            ];
            Assert.Equal(0.3, Revalidation.Of(rows).PredictionPowered[Tier.Training].Value, 12);
        }
    }

    [Fact]
    public void A_sample_without_positives_corrects_nothing_by_sensitivity_and_still_by_prediction()
    {
        List<ValidatedLabel> rows =
        [
            .. Enumerable.Range(0, 40).Select(i => new ValidatedLabel($"q{i}", Tier.Unmonitored, i % 10 == 0, 0, i < 20 ? false : null)),
        ];
        var result = Revalidation.Of(rows);
        Assert.Empty(result.RoganGladen);
        Assert.Equal(0.1 - 0.1, result.PredictionPowered[Tier.Unmonitored].Value, 12);
        Assert.True(double.IsNaN(result.Score!.Auroc));
    }

    [Fact]
    public void Drift_is_told_by_Fishers_exact_test()
    {
        // Tea taster's table [[3, 1], [1, 3]]: p = 34/70.
        var test = DriftTest.Of((3, 4), (1, 4), (0, 0), (5, 5));
        Assert.Equal(34 / 70.0, test.SensitivityP, 12);
        Assert.Equal(1, test.SpecificityP);
    }

    /// <summary>
    /// By hand: 100 negatives with scores 0.00 to 0.99, four positives at 0.995, 0.985, 0.96 and 0.5. One negative of a hundred may be flagged: the threshold
    /// 0.985 flags the one at 0.99 and two of four; five may be: 0.95 flags those from 0.95 on, and three of four. Of 19 negatives none is 1 or 5 %.
    /// </summary>
    [Fact]
    public void Operating_points_are_sensitivities_at_a_share_of_false_positives_that_the_rows_can_show()
    {
        (bool, bool, double)[] rows =
        [
            .. Enumerable.Range(0, 100).Select(i => (false, false, i / 100.0)),
            .. new[] { 0.995, 0.985, 0.96, 0.5 }.Select(score => (true, true, score)),
        ];
        var points = DetectorScore.Of(rows).OperatingPoints.ToDictionary(p => p.Name, p => p.Estimate);
        Assert.Equal(0.5, points["sensitivity_at_fpr_1"].Value);
        Assert.Equal(0.75, points["sensitivity_at_fpr_5"].Value);
        // Wilson of 2 of 4 is 0.150 to 0.850. The threshold that 1 % of all negatives exceed has 0 to 3 of these above it (binomial): none caught to 0.5, so
        // that 0.5 − √(0.35² + 0.5²) is below 0. At 5 % it has 1 to 10 above it: 0.25 (none flagged) to 0.75; Wilson of 3 of 4 is 0.3006 to 0.9544, and
        // 0.75 − √(0.4494² + 0.5²) = 0.078.
        Assert.Equal((0, 0.850), Rounded("sensitivity_at_fpr_1"));
        Assert.Equal((0.078, 0.954), Rounded("sensitivity_at_fpr_5"));
        Assert.Equal(["sensitivity_at_fpr_5"], DetectorScore.Of(rows[80..]).OperatingPoints.Select(p => p.Name));
        Assert.Empty(DetectorScore.Of(rows[81..]).OperatingPoints);

        (double, double) Rounded(string point) => (Math.Round(points[point].Low, 3), Math.Round(points[point].High, 3));
    }
}
