using RlHarness.Core.Randomness;

namespace RlHarness.Experiment.Detectors;

/// <summary>
/// Multinomial logistic regression on sparse rows: maximises Σ log p(y|x) − ½ λ n |w|² by AdaGrad (Duchi et al. 2011) over rows in an order from the seed; on
/// one thread, so that the same rows and seed give the same weights. The decay is applied to the places that a row touches.
/// </summary>
internal sealed class SoftmaxRegression(int classes, int places)
{
    /// <summary>[class, place], then a bias a class.</summary>
    public float[] Weights { get; init; } = new float[classes * (places + 1)];

    public double[] Probabilities(IReadOnlyList<(int Index, float Value)> row)
    {
        var scores = new double[classes];
        for (var c = 0; c < classes; c++)
        {
            double sum = Weights[(c * (places + 1)) + places];
            foreach (var (index, value) in row)
                sum += Weights[(c * (places + 1)) + index] * value;
            scores[c] = sum;
        }

        var top = scores.Max();
        var total = 0.0;
        for (var c = 0; c < classes; c++)
            total += scores[c] = Math.Exp(scores[c] - top);
        for (var c = 0; c < classes; c++)
            scores[c] /= total;
        return scores;
    }

    public void Fit(IReadOnlyList<IReadOnlyList<(int Index, float Value)>> rows, IReadOnlyList<int> labels, double l2, int epochs, RandomStream random)
    {
        const double rate = 0.5;
        var squares = new float[Weights.Length];
        for (var epoch = 0; epoch < epochs; epoch++)
        {
            foreach (var i in random.Permutation(rows.Count))
            {
                var p = Probabilities(rows[i]);
                for (var c = 0; c < classes; c++)
                {
                    var residual = p[c] - (labels[i] == c ? 1 : 0);
                    var start = c * (places + 1);
                    foreach (var (index, value) in rows[i])
                        Step(start + index, (residual * value) + (l2 * Weights[start + index]));
                    Step(start + places, residual);
                }
            }
        }

        void Step(int at, double gradient)
        {
            squares[at] += (float)(gradient * gradient);
            Weights[at] -= (float)(rate * gradient / (1e-6 + Math.Sqrt(squares[at])));
        }
    }
}
