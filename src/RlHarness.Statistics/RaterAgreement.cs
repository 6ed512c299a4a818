namespace RlHarness.Statistics;

/// <summary>
/// Agreement of two judges beyond chance, κ = (po − pe)/(1 − pe), with weights w of each pair of categories. Standard errors of Fleiss, Cohen and Everitt 1969:
/// Var = [Σ p_ij (w_ij − (w̄_i + w̄_j)(1−κ))² − (κ − pe(1−κ))²] / (n(1−pe)²), and for the test of κ = 0
/// Var₀ = [Σ p_i p_j (w_ij − (w̄_i + w̄_j))² − pe²] / (n(1−pe)²). NaN when both use one and the same category only.
/// </summary>
public sealed record CohenKappa(
    long N,
    double Agreement,
    double ExpectedAgreement,
    double Kappa,
    double StandardError,
    double NullStandardError,
    Interval Interval,
    double Z,
    double P
)
{
    /// <summary>
    /// What is printed: cut to −1 to 1; none where it has no width, as where all agree, since agreement without a miss does not show that there are none.
    /// </summary>
    public Interval PrintedInterval => double.IsNaN(Interval.Low) ? Interval.None : Interval.Clip(-1, 1).OrNone;

    /// <summary>κ if both judges used each of k categories equally often: (k po − 1)/(k − 1).</summary>
    public static double Pabak(double agreement, int categories) => ((categories * agreement) - 1) / (categories - 1);

    /// <param name="table">Square: rows are the first judge's categories, columns the second's.</param>
    public static CohenKappa Of(IReadOnlyList<IReadOnlyList<long>> table, KappaWeights weights = KappaWeights.None, double confidence = 0.95)
    {
        ArgumentNullException.ThrowIfNull(table);
        var k = table.Count;
        Guard.That(k > 0 && table.All(row => row.Count == k), "the table of two judges must be square");
        Guard.Table([.. table.SelectMany(row => row)]);
        var z = Normal.Z(confidence);
        var n = table.Sum(row => row.Sum());
        double Cell(int i, int j) => table[i][j] / (double)n;
        double Weight(int i, int j) =>
            weights switch
            {
                KappaWeights.Linear => k == 1 ? 1 : 1 - (Math.Abs(i - j) / (double)(k - 1)),
                KappaWeights.Quadratic => k == 1 ? 1 : 1 - ((i - j) * (double)(i - j) / ((k - 1) * (double)(k - 1))),
                _ => i == j ? 1 : 0,
            };
        var rows = new double[k];
        var columns = new double[k];
        for (var i = 0; i < k; i++)
            for (var j = 0; j < k; j++)
                (rows[i], columns[j]) = (rows[i] + Cell(i, j), columns[j] + Cell(i, j));
        var rowWeight = new double[k];
        var columnWeight = new double[k];
        double po = 0,
            pe = 0;
        for (var i = 0; i < k; i++)
        {
            for (var j = 0; j < k; j++)
            {
                var w = Weight(i, j);
                (rowWeight[i], columnWeight[j]) = (rowWeight[i] + (columns[j] * w), columnWeight[j] + (rows[i] * w));
                (po, pe) = (po + (w * Cell(i, j)), pe + (w * rows[i] * columns[j]));
            }
        }

        var kappa = 1 - pe <= 1e-15 ? double.NaN : (po - pe) / (1 - pe);
        double variance = 0,
            nullVariance = 0;
        for (var i = 0; i < k; i++)
        {
            for (var j = 0; j < k; j++)
            {
                var (w, mean) = (Weight(i, j), rowWeight[i] + columnWeight[j]);
                variance += Cell(i, j) * Math.Pow(w - (mean * (1 - kappa)), 2);
                nullVariance += rows[i] * columns[j] * Math.Pow(w - mean, 2);
            }
        }

        var scale = n * (1 - pe) * (1 - pe);
        var error = Math.Sqrt(Math.Max(0, variance - Math.Pow(kappa - (pe * (1 - kappa)), 2)) / scale);
        var nullError = double.IsNaN(kappa) ? double.NaN : Math.Sqrt(Math.Max(0, nullVariance - (pe * pe)) / scale);
        var statistic = kappa / nullError;
        return new(n, po, pe, kappa, error, nullError, Interval.Around(kappa, z * error), statistic, Normal.TwoSided(statistic));
    }
}

/// <summary>What a disagreement by |i − j| of k ordered categories still counts: nothing, 1 − |i−j|/(k−1), or 1 − (i−j)²/(k−1)².</summary>
public enum KappaWeights
{
    None,
    Linear,
    Quadratic,
}

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
