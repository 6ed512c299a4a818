namespace RlHarness.Statistics;

/// <summary>
/// Exact test of a 2 × 2 table [[a, b], [c, d]] with both margins fixed. Two-sided: the sum over tables no more probable than the observed one.
/// The conditional odds ratio maximises the noncentral hypergeometric likelihood; its interval inverts the one-sided tests.
/// </summary>
public sealed record FisherExact(double P, double PLess, double PGreater, double OddsRatio, double ConditionalOddsRatio, Interval ConditionalInterval)
{
    public static FisherExact Test(long a, long b, long c, long d, double confidence = 0.95)
    {
        Guard.Table(a, b, c, d);
        var tail = (1 - Guard.Fraction(confidence)) / 2;
        long row = a + b,
            other = c + d,
            column = a + c;
        long low = Math.Max(0, column - other),
            high = Math.Min(row, column);
        var logs = new double[high - low + 1];
        for (var x = low; x <= high; x++)
            logs[x - low] = Binomial.LogChoose(row, x) + Binomial.LogChoose(other, column - x);
        var mass = Tilt(logs, 0);
        var at = (int)(a - low);
        double two = 0,
            less = 0,
            greater = 0;
        for (var i = 0; i < mass.Length; i++)
        {
            if (mass[i] <= mass[at] * (1 + 1e-7))
                two += mass[i];
            if (i <= at)
                less += mass[i];
            if (i >= at)
                greater += mass[i];
        }

        var (ratio, interval) = Conditional(logs, at, tail);
        return new(Math.Min(1, two), Math.Min(1, less), Math.Min(1, greater), (double)a * d / ((double)b * c), ratio, interval);
    }

    /// <summary>Only the two-sided p value, for loops over many tables.</summary>
    internal static double TwoSided(long a, long b, long c, long d)
    {
        long row = a + b,
            other = c + d,
            column = a + c;
        long low = Math.Max(0, column - other),
            high = Math.Min(row, column);
        var logs = new double[high - low + 1];
        for (var x = low; x <= high; x++)
            logs[x - low] = Binomial.LogChoose(row, x) + Binomial.LogChoose(other, column - x);
        var mass = Tilt(logs, 0);
        var limit = mass[a - low] * (1 + 1e-7);
        return Math.Min(1, mass.Where(m => m <= limit).Sum());
    }

    private static (double Ratio, Interval Interval) Conditional(double[] logs, int at, double tail)
    {
        // A table with one possible value says nothing about the odds.
        if (logs.Length == 1)
            return (double.NaN, new(0, double.PositiveInfinity));
        var last = logs.Length - 1;
        double Solve(Func<double[], double> gap) => Math.Exp(RootFinding.Monotone(log => gap(Tilt(logs, log)), -700, 700));
        var ratio =
            at == 0 ? 0
            : at == last ? double.PositiveInfinity
            : Solve(mass => Mean(mass) - at);
        var low = at == 0 ? 0 : Solve(mass => mass.Skip(at).Sum() - tail);
        var high = at == last ? double.PositiveInfinity : Solve(mass => tail - mass.Take(at + 1).Sum());
        return (ratio, new(low, high));
    }

    private static double Mean(double[] mass)
    {
        var mean = 0.0;
        for (var i = 0; i < mass.Length; i++)
            mean += i * mass[i];
        return mean;
    }

    /// <summary>The hypergeometric masses with odds exp(<paramref name="logOdds"/>).</summary>
    private static double[] Tilt(double[] logs, double logOdds)
    {
        var mass = new double[logs.Length];
        var top = double.NegativeInfinity;
        for (var i = 0; i < mass.Length; i++)
            top = Math.Max(top, mass[i] = logs[i] + (i * logOdds));
        var sum = 0.0;
        for (var i = 0; i < mass.Length; i++)
            sum += mass[i] = Math.Exp(mass[i] - top);
        for (var i = 0; i < mass.Length; i++)
            mass[i] /= sum;
        return mass;
    }
}
