using System.CommandLine;
using RlHarness.Serving.Http;
using RlHarness.Serving.Watching;

namespace RlHarness.Cli.Commands;

internal static class WatchCommand
{
    internal static Command Create()
    {
        var folder = new Argument<string>("run") { Description = "A run's folder, or one that holds runs, such as checkpoints." };
        var port = new Option<int>("--port") { Description = "0 takes one that is free.", DefaultValueFactory = _ => 0 };
        var token = new Option<string?>("--token") { Description = "What the address has to show; left out: a new one." };
        var command = new Command(
            "watch",
            "Show a run in a browser while it goes on: charts, stage, time left, alarms, newest transcripts with filter and search; of a folder, a table "
                + "of its runs. Figures for Prometheus are at /metrics. Listens at 127.0.0.1 alone, reads run.db and "
                + "writes nothing. Ctrl-C ends it, not the run.\n\n"
                + "Examples:\n  rlharness watch checkpoints/quickstart\n  rlharness watch checkpoints --port 8100"
        )
        {
            folder,
            port,
            token,
        };
        command.SetAction(
            (parsed, cancellation) =>
                CommandLine.GuardAsync(() =>
                {
                    var options = new ServerOptions
                    {
                        Port = Options.Within("--port", parsed.GetValue(port), 0, 65535),
                        Token = ServeCommand.Sendable(parsed.GetValue(token) ?? ServerOptions.NewToken()),
                        Grace = TimeSpan.FromSeconds(1),
                    };
                    RunAsync(parsed.GetValue(folder)!, options, cancellation).GetAwaiter().GetResult();
                    return 0;
                })
        );
        return command;
    }

    private static async Task RunAsync(string folder, ServerOptions options, CancellationToken cancellation)
    {
        await using var server = await WatchServer.StartAsync(folder, options).ConfigureAwait(false);
        Console.WriteLine(server.Address);
        await ServeCommand.WaitAsync(cancellation).ConfigureAwait(false);
    }
}
