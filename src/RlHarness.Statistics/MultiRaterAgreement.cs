namespace RlHarness.Statistics;

/// <summary>
/// Agreement of several judges on nominal labels, of which some may be missing. Krippendorff's α = 1 − D_o/D_e over pairable labels (2011); Fleiss' and
/// Randolph's κ = (P̄ − P_e)/(1 − P_e) with P_e = Σ p_j² and 1/k, only where no label is missing.
/// </summary>
public sealed record MultiRaterAgreement(double KrippendorffAlpha, int PairableValues, double PairwiseAgreement, double FleissKappa, double RandolphKappa)
{
    /// <param name="ratings">ratings[judge][transcript], null where a judge gave no label.</param>
    public static MultiRaterAgreement Of(IReadOnlyList<IReadOnlyList<int?>> ratings)
    {
        ArgumentNullException.ThrowIfNull(ratings);
        Guard.That(ratings.Count > 1, "two judges or more are needed");
        var units = ratings[0].Count;
        Guard.That(ratings.All(r => r.Count == units), "judges have labels for different numbers of transcripts");
        var labels = Enumerable.Range(0, units).Select(u => ratings.Select(r => r[u]).OfType<int>().ToList()).ToList();
        var pairable = labels.Where(u => u.Count > 1).ToList();
        Guard.That(pairable.Count > 0, "no transcript has two labels");
        double n = pairable.Sum(u => u.Count);
        static double Pairs(List<int> unit) => unit.GroupBy(l => l).Sum(g => g.Count() * (g.Count() - 1.0));
        var observed = pairable.Sum(u => Pairs(u) / (u.Count - 1)) / n;
        var expected = pairable.SelectMany(u => u).GroupBy(l => l).Sum(g => g.Count() * (g.Count() - 1.0)) / (n * (n - 1));
        var pairwise = pairable.Average(u => Pairs(u) / (u.Count * (u.Count - 1.0)));
        double fleiss = double.NaN,
            randolph = double.NaN;
        if (labels.All(u => u.Count == ratings.Count))
        {
            var categories = labels.SelectMany(u => u).GroupBy(l => l).ToList();
            var chance = categories.Sum(g => Math.Pow(g.Count() / n, 2));
            fleiss = chance < 1 ? (pairwise - chance) / (1 - chance) : double.NaN;
            randolph = categories.Count > 1 ? (pairwise - (1.0 / categories.Count)) / (1 - (1.0 / categories.Count)) : double.NaN;
        }

        return new(expected < 1 ? 1 - ((1 - observed) / (1 - expected)) : double.NaN, (int)n, pairwise, fleiss, randolph);
    }
}
