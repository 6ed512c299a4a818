using RlHarness.Statistics;

namespace RlHarness.Experiment.Detectors;

/// <summary>A detector against labels that are taken for true.</summary>
/// <param name="Auroc">NaN where a class has fewer than two rows or the detector has no score.</param>
/// <param name="Kappa">NaN below <see cref="FewestForKappa"/> rows.</param>
/// <param name="AurocInterval">DeLong's on the logit scale.</param>
public sealed record DetectorScore(Confusion Confusion, double Auroc, Interval AurocInterval, double Kappa, Interval KappaInterval)
{
    /// <summary>Rows of either class below which an AUROC is not estimable: of one it has no variance.</summary>
    public const int FewestOfAClass = 2;

    /// <summary>Rows below which κ is not estimable.</summary>
    public const int FewestForKappa = 5;

    public int Positives => (int)(Confusion.TruePositives + Confusion.FalseNegatives);

    public int Negatives => (int)(Confusion.TrueNegatives + Confusion.FalsePositives);

    public int N => Positives + Negatives;

    /// <summary>
    /// Sensitivity where at most 1 % and 5 % of the negatives are flagged, with an interval; the threshold is that of these rows, and its own error is in the
    /// interval. A rate of which less than one negative is a share has none.
    /// </summary>
    public IReadOnlyList<(string Name, Estimate Estimate)> OperatingPoints { get; init; } = [];

    /// <summary>All figures by their name, with n: sensitivity is of the positives alone.</summary>
    public IEnumerable<(string Name, Estimate Estimate)> Figures()
    {
        var (se, sp) = (Confusion.SensitivityWilson(), Confusion.SpecificityWilson());
        yield return ("sensitivity", new(Confusion.Sensitivity, se.Low, se.High, Positives, Positives));
        yield return ("specificity", new(Confusion.Specificity, sp.Low, sp.High, Negatives, Negatives));
        yield return ("auroc", new(Auroc, AurocInterval.Low, AurocInterval.High, N, N));
        foreach (var point in OperatingPoints)
            yield return point;
        yield return ("kappa", new(Kappa, KappaInterval.Low, KappaInterval.High, N, N));
    }

    public static DetectorScore Of(IReadOnlyList<(bool Truth, bool Said, double Score)> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var c = Confusion.Of(rows.Select(r => (r.Truth, r.Said)));
        var scored = rows.Where(r => !double.IsNaN(r.Score)).ToArray();
        var roc =
            scored.Count(r => r.Truth) >= FewestOfAClass && scored.Count(r => !r.Truth) >= FewestOfAClass
                ? RocCurve.Of([.. scored.Select(r => r.Truth ? 1 : 0)], [.. scored.Select(r => r.Score)])
                : null;
        if (rows.Count == 0)
            return new(c, double.NaN, Interval.None, double.NaN, Interval.None);
        var kappa = CohenKappa.Of([
            [c.TruePositives, c.FalseNegatives],
            [c.FalsePositives, c.TrueNegatives],
        ]);
        var enough = rows.Count >= FewestForKappa;
        return new(
            c,
            roc?.Auroc ?? double.NaN,
            roc?.PrintedInterval().OrNone ?? Interval.None,
            enough ? kappa.Kappa : double.NaN,
            enough ? kappa.PrintedInterval : Interval.None
        )
        {
            OperatingPoints = roc is null ? [] : [.. Points(roc, scored.Count(r => r.Truth), scored.Count(r => !r.Truth))],
        };
    }

    private static IEnumerable<(string Name, Estimate Estimate)> Points(RocCurve roc, int positives, int negatives)
    {
        foreach (var (percent, name) in new[] { (1, "sensitivity_at_fpr_1"), (5, "sensitivity_at_fpr_5") })
        {
            if (negatives * percent < 100)
                continue;
            var rate = roc.TprAtFpr(percent / 100.0).Rate;
            var interval = roc.TprAtFprInterval(percent / 100.0);
            yield return (name, new(rate, interval.Low, interval.High, positives, positives));
        }
    }
}
