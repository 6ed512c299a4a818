using MathNet.Numerics.LinearAlgebra;

namespace RlHarness.Experiment.Statistics;

/// <summary>
/// Nodes and log weights for the mean of a function of a standard normal: eigenvalues and first components of Hermite's Jacobi matrix (Golub and
/// Welsch 1969).
/// </summary>
internal sealed record GaussHermite(double[] Nodes, double[] LogWeights)
{
    public static GaussHermite Of(int points)
    {
        var jacobi = Matrix<double>.Build.Dense(points, points, (i, j) => Math.Abs(i - j) == 1 ? Math.Sqrt(Math.Max(i, j)) : 0);
        var evd = jacobi.Evd(Symmetricity.Symmetric);
        double[] nodes = [.. evd.EigenValues.Select(v => v.Real)];
        return new(nodes, [.. Enumerable.Range(0, points).Select(k => 2 * Math.Log(Math.Abs(evd.EigenVectors[0, k])))]);
    }
}
