//! RTSP servers of this process: one for each address and port, shared by all elements that name it, gone with the last.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use gst_rtsp_server::prelude::*;
use gst_rtsp_server::{
    RTSPClient, RTSPFilterResult, RTSPMountPoints, RTSPServer, RTSPSession, RTSPSessionPool, RTSPThreadPool,
};

use crate::auth::{MountAuth, is_below, path_of};
use crate::factory::Factory;

/// Threads for clients' requests: one that waits for its media must not hold up the others.
const THREADS: i32 = 4;
/// How often sessions whose clients are silent are looked for.
const CLEAN_EVERY: Duration = Duration::from_secs(5);
/// How long a session lives whose client says nothing, seconds.
const SESSION_SECONDS: u32 = 30;

/// What a mount wants to know of its clients. Called on a thread of the server, without any lock held.
pub trait Audience: Send + Sync {
    /// Somebody asks what there is: media are made ready; `false` if there are none.
    fn asked(&self) -> bool;
    /// A client plays from now on.
    fn plays(&self, client: usize);
    /// Whether a client plays.
    fn has(&self, client: usize) -> bool;
    /// A client does not play any more.
    fn stops(&self, client: usize);
}

/// Who listens at which mount.
type Listeners = Mutex<HashMap<String, Arc<dyn Audience>>>;
type Mounts = Arc<Listeners>;

/// The numbers of the clients whose sessions live, by the sessions' names.
type Sessions = Arc<Mutex<HashMap<String, usize>>>;

struct Shared {
    server: RTSPServer,
    points: RTSPMountPoints,
    pool: RTSPSessionPool,
    auth: MountAuth,
    mounts: Mounts,
    main: glib::MainLoop,
    context: glib::MainContext,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// All servers of the process, by what they listen at.
type Servers = HashMap<(IpAddr, u16), Arc<Shared>>;

static SERVERS: LazyLock<Mutex<Servers>> = LazyLock::new(Mutex::default);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A mount on a server; dropping it takes it away, and with the last one the server.
pub struct Mount {
    path: String,
    key: (IpAddr, u16),
    shared: Arc<Shared>,
}

/// What a mount is like.
pub struct Wish<'a> {
    /// Where the server listens.
    pub address: IpAddr,
    /// Its port; 0: any.
    pub port: u16,
    /// `/name`.
    pub path: &'a str,
    /// User and password, if it has any.
    pub login: Option<(&'a str, &'a str)>,
}

impl Mount {
    /// Serves a factory there.
    ///
    /// # Errors
    ///
    /// Why that is not possible, a sentence.
    pub fn open(wish: &Wish, factory: &Factory, audience: Arc<dyn Audience>) -> Result<Self, String> {
        let mut servers = lock(&SERVERS);
        let there = servers.get(&(wish.address, wish.port)).cloned();
        let shared = match there {
            Some(shared) => shared,
            None => Shared::start(wish.address, wish.port)?,
        };
        let port = u16::try_from(shared.server.bound_port()).unwrap_or(wish.port);
        let key = (wish.address, port);
        let taken = {
            let mut mounts = lock(&shared.mounts);
            let taken = mounts.keys().any(|other| is_below(other, wish.path) || is_below(wish.path, other));
            if !taken {
                mounts.insert(wish.path.to_owned(), audience);
            }
            taken
        };
        if taken {
            return Err(format!(
                "Something is served at rtsp://{}:{port}{} already: choose another `mount`.",
                wish.address, wish.path
            ));
        }
        servers.insert(key, shared.clone());
        drop(servers);
        let mount = Mount { path: wish.path.to_owned(), key, shared };
        if let Some((user, password)) = wish.login {
            crate::auth::permit(factory, &mount.shared.auth.guard(wish.path, user, password));
        }
        mount.shared.points.add_factory(wish.path, factory.clone());
        Ok(mount)
    }

    /// The port on which it is served.
    pub fn port(&self) -> u16 {
        self.key.1
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.points.remove_factory(&self.path);
        shared.auth.release(&self.path);
        let mut servers = lock(&SERVERS);
        let (audience, last) = {
            let mut mounts = lock(&shared.mounts);
            (mounts.remove(&self.path), mounts.is_empty())
        };
        if last {
            servers.remove(&self.key);
        }
        drop(servers);
        if last {
            return shared.stop();
        }
        let mut own = |_: &RTSPServer, client: &RTSPClient| {
            let plays = audience.as_ref().is_some_and(|audience| audience.has(number(client)));
            if plays { RTSPFilterResult::Ref } else { RTSPFilterResult::Keep }
        };
        for client in shared.server.client_filter(Some(&mut own)) {
            client.close();
        }
    }
}

impl Shared {
    fn start(address: IpAddr, port: u16) -> Result<Arc<Self>, String> {
        let server = RTSPServer::new();
        server.set_address(&address.to_string());
        server.set_service(&port.to_string());
        let (points, pool, auth) = (RTSPMountPoints::new(), RTSPSessionPool::new(), MountAuth::new());
        let threads = RTSPThreadPool::new();
        threads.set_max_threads(THREADS);
        server.set_mount_points(Some(&points));
        server.set_session_pool(Some(&pool));
        server.set_thread_pool(Some(&threads));
        server.set_auth(Some(&auth));
        let mounts: Mounts = Arc::default();
        watch_clients(&server, &pool, &mounts);
        let context = glib::MainContext::new();
        let main = glib::MainLoop::new(Some(&context), false);
        let (said, outcome) = mpsc::channel();
        let thread = std::thread::Builder::new().name("rtsp-server".into()).spawn({
            let (server, pool, main) = (server.clone(), pool.clone(), main.clone());
            move || serve(&server, &pool, &main, &said)
        });
        let thread = thread.map_err(|error| format!("There is no thread for the RTSP server: {error}."))?;
        match outcome.recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let _ = thread.join();
                return Err(format!(
                    "The RTSP server cannot listen on {address}, port {port} ({error}): choose another `port`."
                ));
            }
            Err(_) => return Err("The RTSP server did not start.".to_owned()),
        }
        let thread = Mutex::new(Some(thread));
        Ok(Arc::new(Shared { server, points, pool, auth, mounts, main, context, thread }))
    }

    /// Lets all clients go, and ends its thread.
    fn stop(&self) {
        let main = self.main.clone();
        self.context.invoke(move || main.quit());
        if let Some(thread) = lock(&self.thread).take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
        close_clients(&self.server);
        self.pool.filter(Some(&mut |_, _| RTSPFilterResult::Remove));
    }
}

fn close_clients(server: &RTSPServer) {
    let clients = server.client_filter(None);
    for client in clients {
        client.close();
    }
}

/// The server's thread.
fn serve(
    server: &RTSPServer,
    pool: &RTSPSessionPool,
    main: &glib::MainLoop,
    said: &mpsc::Sender<Result<(), String>>,
) {
    let context = main.context();
    let served = context.with_thread_default(|| {
        let source = match server.create_source(gst_rtsp_server::gio::Cancellable::NONE) {
            Ok(source) => source,
            Err(error) => {
                let _ = said.send(Err(error.message().to_owned()));
                return;
            }
        };
        source.attach(Some(&context));
        let weak = pool.downgrade();
        let cleaning =
            glib::timeout_source_new(CLEAN_EVERY, None, glib::Priority::DEFAULT, move || {
                match weak.upgrade() {
                    Some(pool) => {
                        pool.cleanup();
                        glib::ControlFlow::Continue
                    }
                    None => glib::ControlFlow::Break,
                }
            });
        cleaning.attach(Some(&context));
        let _ = said.send(Ok(()));
        main.run();
        // With the source the socket is closed.
        source.destroy();
        cleaning.destroy();
    });
    if served.is_err() {
        let _ = said.send(Err("its main context is in use".to_owned()));
    }
}

/// A number for a client, as long as it lives.
fn number(client: &RTSPClient) -> usize {
    client.as_ptr() as usize
}

/// Tells mounts that a client does not play any more.
fn stops(mounts: &Weak<Listeners>, client: usize) {
    let all: Vec<Arc<dyn Audience>> =
        mounts.upgrade().map(|m| lock(&m).values().cloned().collect()).unwrap_or_default();
    all.iter().for_each(|audience| audience.stops(client));
}

/// Forgets a session: the client whose last one it was.
fn forget(sessions: &Sessions, session: &RTSPSession) -> Option<usize> {
    let name = session.sessionid()?;
    let mut sessions = lock(sessions);
    let client = sessions.remove(name.as_str())?;
    let has_another = sessions.values().any(|other| *other == client);
    (!has_another).then_some(client)
}

/// Tells mounts who comes and goes.
fn watch_clients(server: &RTSPServer, pool: &RTSPSessionPool, mounts: &Mounts) {
    let mounts = Arc::downgrade(mounts);
    let sessions = Sessions::default();
    pool.connect_session_removed({
        let (mounts, sessions) = (mounts.clone(), sessions.clone());
        move |_, session| {
            // A client that plays by UDP and is simply gone says nothing: its session ends long before its connection.
            if let Some(client) = forget(&sessions, session) {
                stops(&mounts, client);
            }
        }
    });
    server.connect_client_connected(move |_, client| {
        let find = {
            let mounts = mounts.clone();
            move |context: &gst_rtsp_server::RTSPContext| {
                let uri = context.uri()?.request_uri();
                let mounts = mounts.upgrade()?;
                let mounts = lock(&mounts);
                mounts.iter().find(|(path, _)| is_below(path_of(&uri), path)).map(|(_, a)| a.clone())
            }
        };
        client.connect_new_session({
            let sessions = sessions.clone();
            move |client, session| {
                session.set_timeout(SESSION_SECONDS);
                if let Some(name) = session.sessionid() {
                    lock(&sessions).insert(name.to_string(), number(client));
                }
            }
        });
        let ready = find.clone();
        client.connect_pre_describe_request(move |_, context| verdict(ready(context)));
        let ready = find.clone();
        client.connect_pre_setup_request(move |_, context| verdict(ready(context)));
        let ready = find.clone();
        client.connect_play_request(move |client, context| {
            if let Some(audience) = ready(context) {
                audience.plays(number(client));
            }
        });
        client.connect_teardown_request(move |client, context| {
            if let Some(audience) = find(context) {
                audience.stops(number(client));
            }
        });
        let (mounts, sessions) = (mounts.clone(), sessions.clone());
        client.connect_closed(move |client| {
            // Its number may be another one's before its sessions end.
            lock(&sessions).retain(|_, other| *other != number(client));
            stops(&mounts, number(client));
        });
    });
}

fn verdict(audience: Option<Arc<dyn Audience>>) -> gst_rtsp_server::gst_rtsp::RTSPStatusCode {
    use gst_rtsp_server::gst_rtsp::RTSPStatusCode;
    match audience {
        Some(audience) if !audience.asked() => RTSPStatusCode::ServiceUnavailable,
        // What is no mount is refused by the server itself.
        _ => RTSPStatusCode::Ok,
    }
}
