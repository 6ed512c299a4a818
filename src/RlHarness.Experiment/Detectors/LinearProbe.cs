using RlHarness.Core.Randomness;

namespace RlHarness.Experiment.Detectors;

/// <summary>
/// Logistic regression with an L2 penalty on dense features, ℓ(w) = mean log(1 + e^(−s(wᵀx + b))) + ½ λ |w|², by Nesterov's accelerated gradient with the step
/// 1/(¼ λ_max(XᵀX/n) + λ). Features are centred and scaled by the rows that it is trained on.
/// </summary>
public sealed class LinearProbe
{
    private readonly double[] _mean;
    private readonly double[] _scale;
    private readonly double[] _weights;
    private readonly double _bias;

    private LinearProbe(double[] mean, double[] scale, double[] weights, double bias) => (_mean, _scale, _weights, _bias) = (mean, scale, weights, bias);

    /// <summary>wᵀx + b: larger where the positive class is likelier.</summary>
    public double Score(IReadOnlyList<float> x)
    {
        ArgumentNullException.ThrowIfNull(x);
        var sum = _bias;
        for (var j = 0; j < _weights.Length; j++)
            sum += _weights[j] * (x[j] - _mean[j]) / _scale[j];
        return sum;
    }

    /// <param name="l2">λ: the penalty on standardised features.</param>
    public static LinearProbe Train(IReadOnlyList<float[]> rows, IReadOnlyList<int> labels, double l2, int iterations = 200)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(labels);
        if (rows.Count != labels.Count || rows.Count < 2)
            throw new ArgumentException($"{rows.Count} rows and {labels.Count} labels");
        int n = rows.Count,
            width = rows[0].Length;
        var (mean, scale) = (new double[width], new double[width]);
        foreach (var row in rows)
            for (var j = 0; j < width; j++)
                mean[j] += row[j] / (double)n;
        foreach (var row in rows)
            for (var j = 0; j < width; j++)
                scale[j] += (row[j] - mean[j]) * (row[j] - mean[j]) / n;
        for (var j = 0; j < width; j++)
            scale[j] = scale[j] > 1e-12 ? Math.Sqrt(scale[j]) : 1;
        double[][] x = [.. rows.Select(r => r.Select((v, j) => (v - mean[j]) / scale[j]).ToArray())];
        var step = 1 / ((0.25 * (LargestEigenvalue(x, width) + 1)) + l2);
        var (w, ahead) = (new double[width + 1], new double[width + 1]);
        for (var t = 1; t <= iterations; t++)
        {
            var gradient = new double[width + 1];
            for (var i = 0; i < n; i++)
            {
                var z = ahead[width];
                for (var j = 0; j < width; j++)
                    z += ahead[j] * x[i][j];
                var residual = ((1 / (1 + Math.Exp(-z))) - labels[i]) / n;
                for (var j = 0; j < width; j++)
                    gradient[j] += residual * x[i][j];
                gradient[width] += residual;
            }

            var momentum = (t - 1.0) / (t + 2);
            for (var j = 0; j <= width; j++)
            {
                var next = ahead[j] - (step * (gradient[j] + (j < width ? l2 * ahead[j] : 0)));
                ahead[j] = next + (momentum * (next - w[j]));
                w[j] = next;
            }
        }

        return new(mean, scale, w[..width], w[width]);
    }

    /// <summary>
    /// A score for each row by a probe that saw no row of its group: folds are made of whole groups. NaN where a fold's training rows are of one
    /// class.
    /// </summary>
    public static double[] CrossValidated(
        IReadOnlyList<float[]> rows,
        IReadOnlyList<int> labels,
        IReadOnlyList<string> groups,
        double l2,
        int folds,
        RandomStream random
    )
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(random);
        string[] names = [.. groups.Distinct().Order(StringComparer.Ordinal)];
        random.Shuffle(names);
        var fold = names.Select((g, i) => (g, i)).ToDictionary(p => p.g, p => p.i % folds);
        var scores = new double[rows.Count];
        for (var f = 0; f < folds; f++)
        {
            int[] kept = [.. Enumerable.Range(0, rows.Count).Where(i => fold[groups[i]] != f)];
            var probe = kept.Select(i => labels[i]).Distinct().Count() < 2 ? null : Train([.. kept.Select(i => rows[i])], [.. kept.Select(i => labels[i])], l2);
            for (var i = 0; i < rows.Count; i++)
                if (fold[groups[i]] == f)
                    scores[i] = probe?.Score(rows[i]) ?? double.NaN;
        }

        return scores;
    }

    /// <summary>Largest eigenvalue of XᵀX/n, by power iteration; a little low, which the 1 that is added to it covers.</summary>
    private static double LargestEigenvalue(double[][] x, int width)
    {
        var v = Enumerable.Repeat(1 / Math.Sqrt(width), width).ToArray();
        var largest = 0.0;
        for (var iteration = 0; iteration < 30; iteration++)
        {
            var next = new double[width];
            foreach (var row in x)
            {
                var along = 0.0;
                for (var j = 0; j < width; j++)
                    along += row[j] * v[j];
                for (var j = 0; j < width; j++)
                    next[j] += along * row[j] / x.Length;
            }

            largest = Math.Sqrt(next.Sum(a => a * a));
            if (largest == 0)
                return 0;
            for (var j = 0; j < width; j++)
                v[j] = next[j] / largest;
        }

        return largest * 1.1;
    }
}
