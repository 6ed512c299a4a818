using RlHarness.Statistics.Simulation;

namespace RlHarness.Statistics.Studies;

/// <summary>Every study of <c>rlharness simulate</c>, in the order of the page.</summary>
public static class StudyCatalogue
{
    public static IReadOnlyList<SyntheticStudy> All() =>
        [
            .. ProportionStudies.All(),
            .. PairedStudies.All(),
            .. ClusterStudies.All(),
            .. DetectorStudies.All(),
            .. SeedStudies.All(),
            .. FactorialStudies.All(),
            .. PowerStudies.All(),
        ];
}
