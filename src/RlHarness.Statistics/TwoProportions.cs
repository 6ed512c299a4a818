namespace RlHarness.Statistics;

/// <summary>Two independent proportions p1 = x1/n1 and p2 = x2/n2: difference, ratio and odds ratio of the first against the second.</summary>
public sealed record TwoProportions(
    double Difference,
    Interval Wald,
    Interval Newcombe,
    Interval NewcombeCorrected,
    double Z,
    double P,
    double RiskRatio,
    Interval RiskRatioKatz,
    double OddsRatio,
    Interval OddsRatioWoolf,
    double OddsRatioHaldane,
    Interval OddsRatioHaldaneInterval
)
{
    public static TwoProportions Compare(long successes1, long trials1, long successes2, long trials2, double confidence = 0.95)
    {
        Guard.Counts(successes1, trials1);
        Guard.Counts(successes2, trials2);
        var z = Normal.Z(confidence);
        double x1 = successes1,
            n1 = trials1,
            x2 = successes2,
            n2 = trials2,
            p1 = x1 / n1,
            p2 = x2 / n2;
        var pooled = (x1 + x2) / (n1 + n2);
        var statistic = (p1 - p2) / Math.Sqrt(pooled * (1 - pooled) * ((1 / n1) + (1 / n2)));
        if (pooled is 0 or 1)
            statistic = double.NaN;
        var ratio = p1 / p2;
        var katz = x1 > 0 && x2 > 0 ? Log(ratio, z * Math.Sqrt((1 / x1) - (1 / n1) + (1 / x2) - (1 / n2))) : Interval.None;
        var odds = x1 * (n2 - x2) / ((n1 - x1) * x2);
        var woolf = x1 > 0 && x2 > 0 && x1 < n1 && x2 < n2 ? Log(odds, z * Math.Sqrt((1 / x1) + (1 / (n1 - x1)) + (1 / x2) + (1 / (n2 - x2)))) : Interval.None;
        double a = x1 + 0.5,
            b = n1 - x1 + 0.5,
            c = x2 + 0.5,
            d = n2 - x2 + 0.5,
            haldane = a * d / (b * c);
        return new(
            p1 - p2,
            Interval.Around(p1 - p2, z * Math.Sqrt((p1 * (1 - p1) / n1) + (p2 * (1 - p2) / n2))),
            Hybrid(p1, Proportion.Wilson(successes1, trials1, confidence), p2, Proportion.Wilson(successes2, trials2, confidence), correlation: 0),
            Hybrid(
                p1,
                Proportion.WilsonCorrected(successes1, trials1, confidence),
                p2,
                Proportion.WilsonCorrected(successes2, trials2, confidence),
                correlation: 0
            ),
            statistic,
            Normal.TwoSided(statistic),
            ratio,
            katz,
            odds,
            woolf,
            haldane,
            Log(haldane, z * Math.Sqrt((1 / a) + (1 / b) + (1 / c) + (1 / d)))
        );

        static Interval Log(double centre, double half) => new(centre * Math.Exp(-half), centre * Math.Exp(half));
    }

    /// <summary>
    /// p1 − p2 − √((p1−l1)² − 2φ(p1−l1)(u2−p2) + (u2−p2)²), p1 − p2 + √((u1−p1)² − 2φ(u1−p1)(p2−l2) + (p2−l2)²) with the limits of each proportion.
    /// Newcombe 1998, Statistics in Medicine 17:873 (method 10, φ = 0) and 17:2635 (paired).
    /// </summary>
    public static Interval Hybrid(double p1, Interval first, double p2, Interval second, double correlation)
    {
        double down1 = p1 - first.Low,
            up1 = first.High - p1,
            down2 = p2 - second.Low,
            up2 = second.High - p2;
        var low = Math.Sqrt(Math.Max(0, (down1 * down1) - (2 * correlation * down1 * up2) + (up2 * up2)));
        var high = Math.Sqrt(Math.Max(0, (up1 * up1) - (2 * correlation * up1 * down2) + (down2 * down2)));
        return new(p1 - p2 - low, p1 - p2 + high);
    }
}
