namespace RlHarness.Statistics;

/// <summary>
/// One change of a rate over steps, by maximum likelihood: ℓ = Σ x log p + (n−x) log(1−p) on each side; BIC = −2ℓ + (1 or 3) log Σn.
/// </summary>
/// <param name="Position">Number of steps before the change, the first of equal maxima.</param>
/// <param name="First">First position whose log-likelihood is within χ²(1, 0.95)/2 of the maximum.</param>
/// <param name="Last">Last such position.</param>
internal sealed record ChangePoint(
    int Position,
    double RateBefore,
    double RateAfter,
    double LogLikelihoodNone,
    double LogLikelihoodChange,
    double BicNone,
    double BicChange,
    int First,
    int Last
)
{
    public double LogLikelihoodRatio => 2 * (LogLikelihoodChange - LogLikelihoodNone);

    public bool BicPrefersChange => BicChange < BicNone;

    public static ChangePoint Find(IReadOnlyList<long> successes, IReadOnlyList<long> trials)
    {
        ArgumentNullException.ThrowIfNull(successes);
        ArgumentNullException.ThrowIfNull(trials);
        Guard.SameLength(successes.Count, trials.Count, "successes and trials");
        Guard.That(successes.Count > 1, "two steps or more are needed");
        for (var i = 0; i < trials.Count; i++)
            Guard.Counts(successes[i], trials[i]);
        static double Log(double x, double n) => (x > 0 ? x * Math.Log(x / n) : 0) + (n > x ? (n - x) * Math.Log((n - x) / n) : 0);
        double allX = successes.Sum(),
            allN = trials.Sum(),
            x = 0,
            n = 0,
            best = double.NegativeInfinity;
        var likelihoods = new double[trials.Count];
        var at = 0;
        for (var k = 1; k < trials.Count; k++)
        {
            (x, n) = (x + successes[k - 1], n + trials[k - 1]);
            likelihoods[k] = Log(x, n) + Log(allX - x, allN - n);
            if (likelihoods[k] > best + 1e-9)
                (best, at) = (likelihoods[k], k);
        }

        double beforeX = successes.Take(at).Sum(),
            beforeN = trials.Take(at).Sum();
        var none = Log(allX, allN);
        var z = Normal.UpperQuantile(0.025);
        var inside = Enumerable.Range(1, trials.Count - 1).Where(k => likelihoods[k] >= best - (z * z / 2) - 1e-12).ToList();
        return new(
            at,
            beforeX / beforeN,
            (allX - beforeX) / (allN - beforeN),
            none,
            best,
            (-2 * none) + Math.Log(allN),
            (-2 * best) + (3 * Math.Log(allN)),
            inside[0],
            inside[^1]
        );
    }
}
